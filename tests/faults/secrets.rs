//! Tests that errors do not show secrets which a server or a proxy repeats, regardless of where and
//! how they appear.

use crate::planting::texts;
use crate::server::{Answer, Fault, Seen};
use crate::support::{self, ServerOptions};
use crate::{BUCKET, Rig, retry};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use s3driver::Error;
use s3driver::client::{
    Client, Condition, Config, CopySource, GetObject, ListObjects, ObjectSettings, Part,
    SignatureVersion, UploadRef,
};
use s3driver::credentials::Environment;
use s3driver::sign::Credentials;

pub(crate) const ID: &str = "ASIAQ3EGVZ7PLANTED42";
pub(crate) const SECRET: &str = "p1antedS3cret/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const TOKEN: &str =
    "IQoJb3JpZ2luX2VjEPLANTED/tok3n+with/s1gns/A/wEaCXVzLWVhc3QtMSJHMEUCIQDx0PlantedEnd==";

/// Asserts that neither form of the error contains twelve consecutive letters and digits of a
/// secret, ignoring case.
fn assert_hidden(error: Error, secrets: &[&str], what: &str) {
    let plain = |text: &str| {
        text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect::<Vec<_>>()
    };
    for text in texts(error) {
        let shown: String = plain(&text).into_iter().collect();
        for secret in secrets {
            for run in plain(secret).windows(12) {
                let run: String = run.iter().collect();
                assert!(!shown.contains(&run), "{what}: {run} of {secret} in {text}");
            }
        }
    }
}

pub(crate) fn call_all(client: &Client) -> Vec<(&'static str, Error)> {
    let settings = ObjectSettings::default();
    let upload = UploadRef { bucket: BUCKET, key: "k", upload_id: "u" };
    let part = Part::new(1, "e", 1);
    let source = CopySource::new(BUCKET, "k");
    [
        ("PutObject", client.put_object(BUCKET, "k", b"x", &settings).map(drop)),
        ("GetObject", client.get_object(BUCKET, "k", &GetObject::default()).map(drop)),
        ("HeadObject", client.head_object(BUCKET, "k", &Default::default()).map(drop)),
        ("DeleteObject", client.delete_object(BUCKET, "k", &Default::default())),
        ("DeleteObjects", client.delete_objects(BUCKET, &["k", "l"])),
        ("CopyObject", client.copy_object(source, BUCKET, "l", &settings).map(drop)),
        ("ListObjectsV2", client.list_objects(BUCKET, &ListObjects::prefix(""), None).map(drop)),
        ("CreateMultipartUpload", client.create_multipart_upload(BUCKET, "k", &settings).map(drop)),
        ("UploadPart", client.upload_part(upload, 1, b"x").map(drop)),
        (
            "CompleteMultipartUpload",
            client.complete_multipart_upload(upload, &[part], &Condition::Always).map(drop),
        ),
        ("AbortMultipartUpload", client.abort_multipart_upload(upload)),
    ]
    .into_iter()
    .filter_map(|(name, result)| Some((name, result.err()?)))
    .collect()
}

type Spell = fn(&str) -> String;
pub(crate) type Place = fn(&str) -> Answer;

/// The forms in which a server repeats a text.
const SPELLINGS: &[(&str, Spell)] = &[
    ("as it is", str::to_owned),
    ("in capitals", str::to_uppercase),
    ("in small letters", str::to_lowercase),
    ("percent-encoded", |text| text.replace('/', "%2F").replace('+', "%2B").replace('=', "%3d")),
    ("percent-encoded twice", |text| text.replace('/', "%252F").replace('+', "%252B")),
    ("in JSON", |text| text.replace('/', "\\/").replace('+', "\\u002b")),
    ("in base64", |text| STANDARD.encode(text)),
    ("in base64 after a word", |text| STANDARD.encode(format!("user:{text}"))),
    ("in hexadecimal", |text| text.bytes().map(|b| format!("{b:02x}")).collect()),
    ("cut into lines", |text| {
        text.as_bytes()
            .chunks(9)
            .map(|part| format!("{}\n  ", String::from_utf8_lossy(part)))
            .collect()
    }),
    ("its first half", |text| text[..text.len() / 2].to_owned()),
    ("its last half", |text| text[text.len() / 2..].to_owned()),
];

/// The places in which a server repeats a text.
pub(crate) const PLACES: &[(&str, Place)] = &[
    ("message", |said| document("AccessDenied", said)),
    ("code", |said| document(said, "refused")),
    ("ids", |said| {
        let said: String = said.chars().filter(|c| !c.is_whitespace()).collect();
        document("AccessDenied", "refused")
            .with("x-amz-request-id", &said)
            .with("x-amz-id-2", &said)
    }),
    ("page", |said| {
        Answer { status: 403, ..Answer::default() }.body(format!("<html>refused: {said}</html>"))
    }),
    ("text", |said| Answer { status: 400, ..Answer::default() }.body(said)),
    ("error in a success", |said| document("InternalError", said).status(200)),
    ("page in a success", |said| {
        Answer { status: 200, ..Answer::default() }.body(format!("sorry, {said}"))
    }),
    ("another document", |said| {
        Answer { status: 200, ..Answer::default() }
            .body(format!("<{0}>x</{0}>", "a".to_owned() + &name_of(said)))
    }),
    ("a value of a document", |said| {
        let said = said.replace('&', "&amp;");
        Answer { status: 200, ..Answer::default() }
            .body(format!("<ListBucketResult><IsTruncated>{said}</IsTruncated></ListBucketResult>"))
    }),
];

fn name_of(said: &str) -> String {
    said.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn document(code: &str, message: &str) -> Answer {
    Answer { status: 403, ..Answer::default() }.body(format!(
        "<Error><Code>{code}</Code><Message>The {message} is bad</Message><Resource>{message}</Resource></Error>"
    ))
}

pub(crate) fn config(config: Config) -> Config {
    config.static_credentials(Credentials::new(ID, SECRET).with_session_token(TOKEN))
}

#[test]
fn p04_keys_and_tokens_that_a_server_repeats_are_hidden() {
    for version in [SignatureVersion::V4, SignatureVersion::V2] {
        let rig = Rig::with(ServerOptions::default(), |given| config(given).signature(version));
        for (place, answer) in PLACES {
            for (spelling, spell) in SPELLINGS {
                for secret in [TOKEN, SECRET, ID] {
                    // The name of an element cannot contain escapes, and half of the short text
                    // would not be redacted.
                    let plain = ["as it is", "in capitals", "in small letters"].contains(spelling);
                    if secret == ID && spelling.contains("half")
                        || *place == "another document" && !plain
                    {
                        continue;
                    }
                    let answer = answer(&spell(secret));
                    rig.faulty.heal();
                    rig.faulty.always("*", Fault::raw(answer.bytes()));
                    for (operation, error) in call_all(&rig.client) {
                        let spelt = spell(secret);
                        let what = format!("{operation}, {place}, {spelling}");
                        assert_hidden(error, &[secret, &spelt], &what);
                    }
                }
            }
        }
    }
}

#[test]
fn p04_the_signature_of_a_request_is_hidden_when_its_headers_are_repeated() {
    for version in [SignatureVersion::V4, SignatureVersion::V2] {
        let rig = Rig::with(ServerOptions::default(), |given| config(given).signature(version));
        let echo = |seen: &Seen| {
            let value = seen.header("authorization").unwrap_or_default().replace('&', "&amp;");
            let token = seen.header("x-amz-security-token").unwrap_or_default();
            Some(Fault::raw(document("AccessDenied", &format!("header {value} {token}")).bytes()))
        };
        rig.faulty.by_chance(echo);
        let mut errors = 0;
        for (operation, error) in call_all(&rig.client) {
            errors += 1;
            let text = error.to_string();
            let after = |mark: &str| {
                text.split(mark).nth(1).map(|rest| rest.chars().take(12).collect::<String>())
            };
            match version {
                SignatureVersion::V2 => {
                    assert!(!text.contains(&format!("{ID}:")), "{operation}: {text}");
                }
                _ => {
                    let shown = after("Signature=").unwrap_or_default();
                    assert!(
                        !shown.starts_with(|c: char| c.is_ascii_hexdigit()),
                        "{operation}: {text}"
                    );
                }
            }
            assert_hidden(error, &[TOKEN, SECRET, ID], operation);
        }
        assert!(errors >= 10, "{errors}");
    }
}

#[test]
fn p04_a_proxys_password_that_it_repeats_is_hidden() {
    const PASSWORD: &str = "pr0xyPassw0rdPlanted";
    let plain = Rig::new();
    let url = plain.faulty.url().replace("http://", &format!("http://user:{PASSWORD}@"));
    let given = || config(crate::config(&plain.faulty.backend, "http://s3.example").retry(retry()));
    let variables = Environment::from_pairs([("http_proxy", &url)]);
    let chosen = support::transport::choose_proxy(given(), &url);
    let of_environment = given().proxy_from_env(&variables).unwrap();
    for client in [chosen, of_environment].map(|config| Client::new(config).unwrap()) {
        proxy_is_hidden(&client, &plain, PASSWORD);
    }
}

fn proxy_is_hidden(client: &Client, plain: &Rig, password: &str) {
    let mut errors = 0;
    for (place, answer) in PLACES {
        for (spelling, spell) in SPELLINGS {
            let spelt = spell(password);
            plain.faulty.heal();
            plain.faulty.always("*", Fault::raw(answer(&spelt).bytes()));
            let error = client.put_object(BUCKET, "k", b"x", &ObjectSettings::default());
            let Err(error) = error else { continue };
            errors += 1;
            let secrets = if spelling.contains("half") { vec![] } else { vec![password, &spelt] };
            assert_hidden(error, &secrets, &format!("{place}, {spelling}"));
        }
    }
    assert!(errors >= 10, "{errors}");
}
