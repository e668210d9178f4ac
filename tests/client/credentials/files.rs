//! Tests of the shared files, and of the programs and logins that they refer to.

use super::server::{Answer, Server, reply};
use super::{context, failed, iso8601, keys, not_configured, recording_observer, timed};
use s3driver::credentials::{Cache, Context, Process, Provider, SharedFiles, Source};
use s3driver::observe::Warning;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A home directory with the given files.
struct Home(tempfile::TempDir);

impl Home {
    fn new(config: &str, credentials: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.path().join(".aws")).unwrap();
        home.write(".aws/config", config);
        home.write(".aws/credentials", credentials);
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file with the mode that AWS's tools use.
    fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        self.set_mode(name, 0o600);
    }

    #[cfg(unix)]
    fn set_mode(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(self.path().join(name), std::fs::Permissions::from_mode(mode))
            .unwrap();
    }

    #[cfg(not(unix))]
    fn set_mode(&self, _: &str, _: u32) {}

    fn context(&self, more: &[(&str, &str)]) -> Context {
        let mut variables = vec![("HOME", self.path().to_str().unwrap())];
        variables.extend(more);
        context(&variables)
    }
}

const KEYS: &str = "[default]\naws_access_key_id = AKID\naws_secret_access_key = secret\n";

#[test]
fn profiles_are_chosen_by_variable_or_by_name() {
    let home = Home::new(
        "[profile work]\nregion = eu-west-1",
        &format!("{KEYS}[work]\naws_access_key_id=W\naws_secret_access_key=s\naws_session_token=t"),
    );
    let fetch = |source: SharedFiles| source.fetch().unwrap();
    assert_eq!(keys(&fetch(SharedFiles::new(&home.context(&[])))), ("AKID", "secret", None));
    let chosen = home.context(&[("AWS_PROFILE", "work")]);
    assert_eq!(keys(&fetch(SharedFiles::new(&chosen))), ("W", "s", Some("t")));
    assert_eq!(keys(&fetch(SharedFiles::with_profile(&chosen, "default"))).0, "AKID");

    let older = home.context(&[("AWS_DEFAULT_PROFILE", "work")]);
    assert_eq!(keys(&fetch(SharedFiles::new(&older))).0, "W");
    assert_eq!(older.setting("AWS_REGION", "region").as_deref(), Some("eu-west-1"));
    let both = home.context(&[("AWS_DEFAULT_PROFILE", "work"), ("AWS_PROFILE", "default")]);
    assert_eq!(keys(&fetch(SharedFiles::new(&both))).0, "AKID");
}

/// A login without an account and a role serves tools that need no keys.
#[test]
fn a_login_without_a_role_does_not_hide_keys() {
    let login =
        "[sso-session s]\nsso_start_url=https://x.awsapps.com/start\nsso_region=eu-west-1\n";
    for (more, expected) in [
        ("sso_session = s\n", Ok("AKID")),
        ("sso_start_url = https://x.awsapps.com/start\nsso_region = eu-west-1\n", Ok("AKID")),
        ("sso_session = s\nsso_account_id = 1\n", Err("sso_role_name is missing")),
    ] {
        let home = Home::new(login, &format!("{KEYS}{more}"));
        let source = SharedFiles::new(&home.context(&[]));
        match expected {
            Ok(id) => assert_eq!(keys(&source.fetch().unwrap()).0, id),
            Err(reason) => assert!(failed(&source).contains(reason), "{more}"),
        }
    }
    let home = Home::new(&format!("{login}[default]\nsso_session = s\n"), "");
    let reason = failed(&SharedFiles::new(&home.context(&[])));
    assert!(reason.contains("sso_account_id is missing"), "{reason}");
}

/// Keys without an expiry are replaced in the file, and the old ones deleted at the server.
#[test]
fn keys_in_a_file_are_read_again_when_the_server_rejects_them() {
    let home = Home::new("", KEYS);
    let context = home.context(&[]);
    let cache = Cache::new(SharedFiles::new(&context), &context);
    let used = cache.credentials().unwrap();
    // A cache does not refresh keys that it fetched less than a second ago.
    std::thread::sleep(Duration::from_millis(1100));
    home.write(".aws/credentials", &KEYS.replace("AKID", "NEWID"));
    assert!(cache.refresh(&used).unwrap());
    let renewed = cache.credentials().unwrap();
    assert_eq!(keys(&renewed).0, "NEWID");
    std::thread::sleep(Duration::from_millis(1100));
    assert!(!cache.refresh(&renewed).unwrap(), "the file contains the same keys");
}

#[test]
fn files_can_be_in_other_places() {
    let home = Home::new("", "");
    home.write("elsewhere", "[default]\naws_access_key_id = E\naws_secret_access_key = s\n");
    let context = home.context(&[
        ("AWS_SHARED_CREDENTIALS_FILE", "~/elsewhere"),
        ("AWS_CONFIG_FILE", "/nonexistent/c"),
    ]);
    assert_eq!(keys(&SharedFiles::new(&context).fetch().unwrap()).0, "E");
}

#[test]
fn a_missing_profile_is_a_failure_only_when_it_was_named() {
    let home = Home::new("", "[other]\nx=1");
    let reason = not_configured(&SharedFiles::new(&home.context(&[])));
    assert!(
        reason.contains("there is no profile `default` in ") && reason.contains(".aws/config or "),
        "{reason}"
    );
    let named = SharedFiles::new(&home.context(&[("AWS_PROFILE", "prod")]));
    assert!(failed(&named).contains("there is no profile `prod`"));
    assert!(not_configured(&SharedFiles::new(&context(&[]))).contains("HOME is not set"));
}

#[test]
fn files_are_read_at_every_refresh() {
    let home = Home::new("", KEYS);
    let cache = Cache::new(SharedFiles::new(&home.context(&[])), &Context::default());
    let first = cache.credentials().unwrap();
    home.write(".aws/credentials", &KEYS.replace("AKID", "NEW"));
    assert_eq!(
        keys(&cache.credentials().unwrap()).0,
        "AKID",
        "credentials without an expiration are kept"
    );
    std::thread::sleep(Duration::from_millis(1100));
    assert!(cache.refresh(&first).unwrap(), "the server has reported that they are expired");
    assert_eq!(keys(&cache.credentials().unwrap()).0, "NEW");
}

#[test]
fn broken_files_are_named_with_the_line() {
    let home = Home::new("[profile", "");
    let reason = failed(&SharedFiles::new(&home.context(&[])));
    assert!(reason.contains(".aws/config: line 1: "), "{reason}");
}

#[cfg(unix)]
#[test]
fn open_permissions_are_warned_about_once() {
    let home = Home::new("[default]\nregion = r", KEYS);
    home.set_mode(".aws/credentials", 0o644);
    home.set_mode(".aws/config", 0o644);
    let (observer, warnings) = recording_observer();
    let context = home.context(&[]).with_observer(observer);
    for _ in 0..3 {
        SharedFiles::new(&context).fetch().unwrap();
    }
    let expected =
        Warning::OpenPermissions { path: home.path().join(".aws/credentials"), mode: 0o644 };
    assert_eq!(
        *warnings.lock().unwrap(),
        [expected],
        "once, and not about a config file without secrets"
    );
    home.write(".aws/config", KEYS);
    home.set_mode(".aws/config", 0o640);
    SharedFiles::new(&context).fetch().unwrap();
    assert_eq!(warnings.lock().unwrap().len(), 2);
}

#[cfg(unix)]
mod process {
    use super::*;

    fn process(script: &str) -> Process {
        Process::new(format!("/bin/sh -c '{script}'"), &context(&[]))
    }

    #[test]
    fn process_keys_are_read() {
        let home = Home::new("", "");
        let expiration = iso8601(900);
        home.write(
            "keys.json",
            &format!(r#"{{"Version":1,"AccessKeyId":"P","SecretAccessKey":"s","SessionToken":"t","Expiration":"{expiration}"}}"#),
        );
        let path = home.path().join("keys.json");
        home.write(
            ".aws/config",
            &format!("[default]\ncredential_process = /bin/cat \"{}\"", path.display()),
        );
        let lease = SharedFiles::new(&home.context(&[])).fetch().unwrap();
        assert_eq!(keys(&lease), ("P", "s", Some("t")));
        assert!(lease.expires.is_some());
        home.write(
            "keys.json",
            r#"{"Version":1,"AccessKeyId":"L","SecretAccessKey":"s","SessionToken":""}"#,
        );
        let lease = SharedFiles::new(&home.context(&[])).fetch().unwrap();
        assert_eq!((keys(&lease), lease.expires), (("L", "s", None), None));
    }

    #[test]
    fn process_output_is_read_strictly() {
        for (script, expected) in [
            ("echo hunter2", "not JSON"),
            ("true", "empty"),
            (
                r#"echo "{\"Version\":2,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"hunter2\"}""#,
                "Version is not 1",
            ),
            (
                r#"echo "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"\"}""#,
                "SecretAccessKey is empty",
            ),
            (r#"echo "{\"Version\":1,\"SecretAccessKey\":\"hunter2\"}""#, "AccessKeyId is missing"),
            ("echo hunter2 >&2; exit 3", "exit status: 3"),
            ("cat /dev/zero", "more than 65536 bytes"),
        ] {
            let reason = failed(&process(script));
            assert!(reason.contains(expected), "{script}: {reason}");
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }

    /// Some programs clean up after they have printed the keys.
    #[test]
    fn process_may_end_later_than_its_output() {
        let script = r#"echo "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\"}"; exec >&-; exec sleep 0.3"#;
        assert_eq!(keys(&process(script).fetch().unwrap()), ("A", "s", None));
    }

    #[test]
    fn process_has_a_deadline() {
        // Tries a silent process, and one that closes its output.
        for script in ["exec sleep 20", "exec >&-; exec sleep 20"] {
            let (reason, took) =
                timed(|| failed(&process(script).with_deadline(Duration::from_millis(700))));
            assert!(reason.contains("did not end within 0.7 s"), "{script}: {reason}");
            assert!(took < Duration::from_secs(3), "{took:?}");
        }
    }

    #[test]
    fn a_missing_process_is_a_failure() {
        let reason = failed(&Process::new("/nonexistent/program --secret hunter2", &context(&[])));
        assert!(
            reason.contains("`/nonexistent/program` cannot be started")
                && !reason.contains("hunter2"),
            "{reason}"
        );
        assert!(failed(&Process::new("  ", &context(&[]))).contains("the command is empty"));
    }
}

#[test]
fn profiles_assume_roles_with_another_profiles_keys() {
    let server = Server::start(|_| {
        reply(
            200,
            format!(
                "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>R</AccessKeyId><SecretAccessKey>s\
                 </SecretAccessKey><SessionToken>t</SessionToken><Expiration>{}</Expiration></Credentials>\
                 </AssumeRoleResult></AssumeRoleResponse>",
                iso8601(3600)
            ),
        )
    });
    let home = Home::new(
        "[profile role]\nrole_arn = ROLE\nsource_profile = default\nregion = cn-north-1",
        KEYS,
    );
    let context = home.context(&[("AWS_PROFILE", "role"), ("AWS_ENDPOINT_URL_STS", &server.url())]);
    assert_eq!(keys(&SharedFiles::new(&context).fetch().unwrap()).0, "R");
    let authorization = server.requests()[0].header("authorization").unwrap().to_owned();
    assert!(
        authorization.contains("Credential=AKID/") && authorization.contains("/cn-north-1/sts/"),
        "{authorization}"
    );
}

#[test]
fn sso_logins_are_exchanged_for_keys() {
    let millis = i64::try_from(
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
            + 3_600_000,
    )
    .unwrap();
    let document = format!(
        r#"{{"roleCredentials":{{"accessKeyId":"S","secretAccessKey":"s","sessionToken":"t","expiration":{millis}}}}}"#
    );
    let is_first = AtomicBool::new(true);
    let server = Server::start(move |request| match request.header("x-amz-sso_bearer_token") {
        // A response that breaks in its body is requested again.
        Some("login") if is_first.swap(false, Ordering::SeqCst) => {
            Answer::Truncated(document.clone())
        }
        Some("login") => reply(200, document.clone()),
        _ => reply(401, r#"{"message":"Session token not found or invalid"}"#),
    });
    let home = Home::new(
        "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = a b\n\
         [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start",
        "",
    );
    let context = home.context(&[("AWS_ENDPOINT_URL_SSO", &server.url())]);
    let source = SharedFiles::new(&context);
    let reason = failed(&source);
    assert!(
        reason.contains("IAM Identity Center") && reason.contains("run `aws sso login`"),
        "{reason}"
    );

    // The name of the file is the SHA-1 of `corp`, as computed by sha1sum.
    let cache = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
    std::fs::create_dir_all(home.path().join(".aws/sso/cache")).unwrap();
    let login = |token: &str, seconds| {
        format!(r#"{{"accessToken":"{token}","expiresAt":"{}"}}"#, iso8601(seconds))
    };
    home.write(cache, &login("login", 3600));
    let lease = source.fetch().unwrap();
    assert_eq!(keys(&lease), ("S", "s", Some("t")));
    let left = lease.expires.unwrap().duration_since(std::time::SystemTime::now()).unwrap();
    assert!(left > Duration::from_secs(3500) && left <= Duration::from_secs(3600), "{left:?}");
    let request = "GET /federation/credentials?account_id=123456789012&role_name=a%20b";
    assert_eq!(server.log(), [request; 2]);

    // Some versions of the AWS CLI write the time zone in this form (aws-sdk-rust#438).
    home.write(cache, &login("login", 3600).replace("Z\"", "UTC\""));
    assert_eq!(keys(&source.fetch().unwrap()).0, "S");
    home.write(cache, &login("login", -1).replace("Z\"", "UTC\""));
    assert!(failed(&source).contains("the login has expired"));

    home.write(cache, &login("hunter2", 3600));
    let reason = failed(&source);
    assert!(
        reason.contains("401") && reason.contains("not found") && !reason.contains("hunter2"),
        "{reason}"
    );
    home.write(cache, &login("login", -1));
    assert!(failed(&source).contains("the login has expired"));
}
