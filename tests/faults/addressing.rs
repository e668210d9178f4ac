//! The requests that a server receives for each kind of bucket argument: host, path and signature.

use crate::hosts::{Hosts, Received};
use crate::server::{Answer, error_document};
use crate::{retry, timeouts};
use s3driver::client::{
    Client, Condition, Config, CopySource, CreateBucket, CustomerKey, DeleteObject, Endpoint,
    GetObject, ListObjects, ObjectSettings, Part, Presign, PresignMethod, Proxy, Scheme,
    SignatureVersion, UploadRef,
};
use s3driver::sign::Credentials;
use s3driver::sign::verify::{Content, Verifier};
use s3driver::sign::{self};
use s3driver::{Error, ErrorKind, Result};
use std::time::{Duration, SystemTime};

const POINT: &str = "arn:aws:s3:us-west-2:123456789012:accesspoint/reports";
const LAMBDA: &str = "arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint:reports";
const OUTPOST: &str =
    "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01234567890123456/accesspoint/reports";
#[cfg(feature = "sigv4a")]
const MULTI: &str = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap";

fn keys() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
        .with_session_token("an/sts+token==")
}

/// Returns a client of AWS in us-east-1 whose requests all end at `server`.
fn client(server: &Hosts, adjust: impl FnOnce(Config) -> Config) -> Client {
    let config = Config::new(Endpoint::region("us-east-1").unwrap())
        .static_credentials(keys())
        .proxy(Proxy::parse(&server.proxy()).unwrap())
        .extra_roots_pem(server.ca_pem())
        .retry(retry())
        .timeouts(timeouts().idle(Duration::from_secs(5)).connect(Duration::from_secs(5)));
    Client::new(adjust(config)).unwrap()
}

const LISTING: &str = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a/b</Key>\
     <Size>4</Size></Contents></ListBucketResult>";

/// The responses of a bucket with one object.
fn respond(request: &Received) -> Answer {
    let answer = Answer { status: 200, ..Answer::default() }.with("etag", "\"an-etag\"");
    match &*request.method {
        "DELETE" => Answer { status: 204, ..answer }.body(""),
        "PUT" if request.header("x-amz-copy-source").is_some() => {
            answer.body("<CopyObjectResult><ETag>\"an-etag\"</ETag></CopyObjectResult>")
        }
        "GET" if request.has_query("list-type") => answer.body(LISTING),
        "GET" | "HEAD" => answer.body("data"),
        _ => answer.body(""),
    }
}

/// The operations of a registry.
fn work(client: &Client, bucket: &str) -> Result<()> {
    let settings = ObjectSettings::default();
    client.put_object(bucket, "a/b", b"data", &settings)?;
    assert_eq!(client.get_object(bucket, "a/b", &GetObject::default())?.read_all(9)?, b"data");
    client.copy_object(CopySource::new("plain", "k +"), bucket, "c", &settings)?;
    let listed: Vec<_> = client.objects(bucket, ListObjects::default()).collect::<Result<_>>()?;
    assert_eq!(listed[0].key, "a/b");
    client.delete_object(bucket, "a/b", &DeleteObject::default()).map(drop)
}

#[test]
fn each_kind_is_sent_to_its_host_with_its_signature() {
    let point = "reports-123456789012.s3-accesspoint.us-west-2.amazonaws.com";
    let lambda = "reports-123456789012.s3-object-lambda.us-west-2.amazonaws.com";
    let outpost = "reports-123456789012.op-01234567890123456.s3-outposts.us-west-2.amazonaws.com";
    let alias = "reports-abcdefgh-s3alias.s3.us-east-1.amazonaws.com";
    let server = Hosts::start(&[point, lambda, outpost, alias], respond);
    let client = client(&server, |config| config);
    for (bucket, host, region, service) in [
        (POINT, point, "us-west-2", "s3"),
        (LAMBDA, lambda, "us-west-2", "s3-object-lambda"),
        (OUTPOST, outpost, "us-west-2", "s3-outposts"),
        ("reports-abcdefgh-s3alias", alias, "us-east-1", "s3"),
    ] {
        let before = server.seen().len();
        work(&client, bucket).unwrap();
        let seen = server.seen().split_off(before);
        let targets: Vec<_> =
            seen.iter().map(|request| (&*request.method, &*request.target)).collect();
        assert_eq!(
            targets,
            [
                ("PUT", "/a/b"),
                ("GET", "/a/b"),
                ("PUT", "/c"),
                ("GET", "/?list-type=2&encoding-type=url"),
                ("DELETE", "/a/b"),
            ],
            "{bucket}"
        );
        for request in &seen {
            assert_eq!(request.host(), host);
            let signed = request.verified(&[keys()]).unwrap();
            assert_eq!((&*signed.region, &*signed.service), (region, service), "{bucket}");
            assert_eq!(request.header("x-amz-security-token"), Some("an/sts+token=="));
            assert_eq!(request.header("x-amz-s3session-token"), None);
        }
        assert_eq!(seen[2].header("x-amz-copy-source"), Some("plain/k%20%2B"));

        let url = presigned(&client, bucket);
        assert!(url.starts_with(&format!("https://{host}/a/b?")), "{url}");
        assert_eq!(scope_of(&url), (region.to_owned(), service.to_owned()), "{url}");
    }
}

fn presigned(client: &Client, bucket: &str) -> String {
    let hour = Duration::from_secs(3600);
    client.presign(bucket, "a/b", &Presign::exactly(PresignMethod::Get, hour)).unwrap().url
}

/// Verifies a presigned URL, and returns the region and the service of its signature.
fn scope_of(url: &str) -> (String, String) {
    let host = url.split('/').nth(2).unwrap();
    let headers = [("host", host)];
    let target = &url[url.find(host).unwrap() + host.len()..];
    let request = sign::Request::from_target("GET", target).unwrap().headers(&headers);
    let find = |id: &str| (id == keys().access_key_id()).then(keys);
    let signed = Verifier::new(&find, SystemTime::now().into())
        .verify(&request, Content::Bytes(b""))
        .unwrap();
    (signed.region, signed.service)
}

#[cfg(feature = "sigv4a")]
#[test]
fn a_multi_region_access_point_gets_signatures_for_every_region() {
    let host = "mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com";
    let server = Hosts::start(&[host], respond);
    let client = client(&server, |config| config);
    work(&client, MULTI).unwrap();
    // A body that is read only once is not signed, because version 4A has no chunks.
    let settings = ObjectSettings::default();
    let content = vec![7; usize::try_from(s3driver::client::HELD_BODY).unwrap() + 1];
    let length = content.len() as u64;
    client.put_object_from(MULTI, "big", &mut &content[..], length, &settings).unwrap();
    for request in server.seen() {
        assert_eq!(request.host(), host);
        let signed = request.verified(&[keys()]).unwrap();
        assert_eq!((&*signed.region, &*signed.service), ("*", "s3"));
        assert_eq!(request.header("x-amz-region-set"), Some("*"));
    }
    assert_eq!(server.seen().last().unwrap().body, content);
    let url = presigned(&client, MULTI);
    assert!(url.starts_with(&format!("https://{host}/a/b?")), "{url}");
    assert!(url.contains("X-Amz-Region-Set=%2A"), "{url}");
    assert_eq!(scope_of(&url), ("*".to_owned(), "s3".to_owned()));

    let signed = s3driver::client::PayloadSigning::Signed;
    let client = self::client(&server, |config| config.payload_signing(signed));
    let sent = server.seen().len();
    let error =
        client.put_object_from(MULTI, "big", &mut &content[..], length, &settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    client.put_object(MULTI, "small", b"data", &settings).unwrap();
    assert_eq!(server.seen().len(), sent + 1);
}

#[test]
fn objects_are_copied_from_access_points_by_their_arns() {
    let host = "plain.s3.us-east-1.amazonaws.com";
    let server = Hosts::start(&[host], respond);
    let client = client(&server, |config| config);
    let copy = |source: &str| {
        let source = CopySource::new(source, "a b/ä");
        client.copy_object(source, "plain", "c", &ObjectSettings::default())
    };
    for (source, expected) in [
        (&*POINT.replace('/', ":"), POINT.to_owned()),
        (POINT, POINT.to_owned()),
        (OUTPOST, OUTPOST.to_owned()),
    ] {
        copy(source).unwrap();
        let seen = server.seen();
        let sent = seen.last().unwrap().header("x-amz-copy-source").unwrap();
        let expected = format!("{}/object/a%20b/%C3%A4", expected.replace(':', "%3A"));
        assert_eq!(sent, expected);
        seen.last().unwrap().verified(&[keys()]).unwrap();
    }
    let sent = server.seen().len();
    for source in
        [LAMBDA, "arn:aws:s3::123456789012:accesspoint/a.mrap", "arn:aws:s3:::plain", "arn:x"]
    {
        let error = copy(source).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    }
    assert_eq!(server.seen().len(), sent);
}

/// The ARN of an access point has slashes, like keys.
#[test]
fn a_broken_download_from_an_access_point_continues_there() {
    let host = "reports-123456789012.s3-accesspoint.us-west-2.amazonaws.com";
    let content: Vec<u8> = (0..=200).collect();
    let object = content.clone();
    let server = Hosts::start(&[host], move |request| {
        let answer = Answer { status: 200, ..Answer::default() }.with("etag", "\"an-etag\"");
        match request.header("range") {
            // The server is silent after half of the bytes.
            None => answer.body(object[..100].to_vec()).with("content-length", "201"),
            Some("bytes=100-") => {
                let range = answer.with("content-range", "bytes 100-200/201");
                Answer { status: 206, ..range }.body(object[100..].to_vec())
            }
            Some(other) => panic!("{other}"),
        }
    });
    let idle = timeouts().idle(Duration::from_secs(1)).connect(Duration::from_secs(5));
    let client = client(&server, |config| config.timeouts(idle));
    let reader = client.get_object(POINT, "a/b", &GetObject::default()).unwrap();
    assert_eq!(reader.read_all(1000).unwrap(), content);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for request in &seen {
        assert_eq!((request.host(), &*request.target), (host, "/a/b"));
        request.verified(&[keys()]).unwrap();
    }
    let error = client.get_object(POINT, "a/b", &GetObject::default()).unwrap();
    let error = error.read_all(10).unwrap_err();
    assert_eq!((error.bucket(), error.key()), (Some(POINT), Some("a/b")));
}

/// Ceph encodes the colon before it compares the signature, and decodes the source of a copy.
#[test]
fn buckets_of_other_tenants_are_named_in_the_path_and_in_copies() {
    let server = Hosts::start(&[], respond);
    let endpoint = Endpoint::custom(&server.url(), Some("default"), Scheme::Http).unwrap();
    let config = Config::new(endpoint).static_credentials(keys());
    let client = Client::new(config.retry(retry()).timeouts(timeouts())).unwrap();
    work(&client, "acme:reports").unwrap();
    let source = CopySource::new("acme:reports", "a b");
    client.copy_object(source, ":plain", "c", &ObjectSettings::default()).unwrap();
    let seen = server.seen();
    let targets: Vec<_> = seen.iter().map(|request| &*request.target).collect();
    assert_eq!(
        targets,
        [
            "/acme%3Areports/a/b",
            "/acme%3Areports/a/b",
            "/acme%3Areports/c",
            "/acme%3Areports?list-type=2&encoding-type=url",
            "/acme%3Areports/a/b",
            "/%3Aplain/c",
        ]
    );
    for request in &seen {
        request.verified(&[keys()]).unwrap();
    }
    assert_eq!(seen[5].header("x-amz-copy-source"), Some("acme%3Areports/a%20b"));
}

/// AWS compares the size of the object with what it has, even if the parts have no checksums.
#[test]
fn a_completion_at_aws_states_the_size() {
    let server = Hosts::start(&["plain.s3.us-east-1.amazonaws.com"], |_| {
        let result = "<CompleteMultipartUploadResult><ETag>\"an-etag-2\"</ETag>\
                      </CompleteMultipartUploadResult>";
        Answer { status: 200, ..Answer::default() }.body(result)
    });
    let client = client(&server, |config| config);
    let upload = UploadRef { bucket: "plain", key: "a/b", upload_id: "upload" };
    let parts = [Part::new(1, "one", 5 << 20), Part::new(2, "two", 7)];
    client.complete_multipart_upload(upload, &parts, &Condition::Always).unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("x-amz-mp-object-size"), Some("5242887"));
    assert_eq!(seen[0].header("x-amz-checksum-type"), None);
    seen[0].verified(&[keys()]).unwrap();
}

/// Neither a region nor a redirect in a response changes where requests to an access point go.
#[test]
fn an_access_point_does_not_move() {
    let host = "reports-123456789012.s3-accesspoint.us-west-2.amazonaws.com";
    let elsewhere = "https://reports.s3.eu-west-1.amazonaws.com/a/b";
    let moved = |status: u16, code: &'static str| {
        move |_: &Received| {
            Answer { status, ..Answer::default() }
                .with("x-amz-bucket-region", "eu-west-1")
                .with("location", elsewhere)
                .body(error_document(code))
        }
    };
    for (status, code) in [
        (301, "PermanentRedirect"),
        (307, "TemporaryRedirect"),
        (400, "AuthorizationHeaderMalformed"),
    ] {
        let server = Hosts::start(&[host], moved(status, code));
        let client = client(&server, |config| config);
        let error =
            client.put_object(POINT, "a/b", b"data", &ObjectSettings::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongRegion, "{error}");
        let seen = server.seen();
        assert_eq!((seen.len(), seen[0].host()), (1, host), "{status} {code}");
        let signed = seen[0].verified(&[keys()]).unwrap();
        assert_eq!(signed.region, "us-west-2");
    }
}

#[test]
fn a_customers_key_is_not_sent_to_where_a_redirect_leads() {
    const HOME: &str = "registry.s3.us-east-1.amazonaws.com";
    const OTHER: &str = "registry.s3.ap-south-1.amazonaws.com";
    let redirected = |request: &Received| match request.host() {
        HOME => Answer { status: 307, ..Answer::default() }
            .with("location", &format!("https://{OTHER}/key"))
            .body(error_document("TemporaryRedirect")),
        _ => respond(request),
    };
    for (has_key, hosts) in [(false, &[HOME, OTHER][..]), (true, &[HOME])] {
        let server = Hosts::start(&[HOME, OTHER], redirected);
        let mut client = client(&server, |config| config);
        if has_key {
            client = client.with_customer_key(&CustomerKey::new(&[7; 32]));
        }
        let put = client.put_object("registry", "key", b"data", &ObjectSettings::default());
        assert_eq!(put.is_err(), has_key, "{put:?}");
        let seen = server.seen();
        assert_eq!(seen.iter().map(Received::host).collect::<Vec<_>>(), hosts);
    }
}

#[test]
fn nothing_is_sent_for_what_is_refused() {
    let server = Hosts::start(&["unused.example"], respond);
    let refused = |error: Error, text: &str| {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    };
    let v2 = client(&server, |config| config.signature(SignatureVersion::V2));
    refused(work(&v2, POINT).unwrap_err(), "signature version 2 cannot be used with access points");
    refused(
        work(&v2, "a--usw2-az1--x-s3").unwrap_err(),
        "signature version 2 cannot be used with directory buckets",
    );
    let client = client(&server, |config| config);
    refused(
        client.create_bucket(POINT, &CreateBucket::default()).unwrap_err(),
        "does not create access points",
    );
    let zonal = "a--usw2-az1--x-s3";
    refused(
        client.create_bucket(zonal, &CreateBucket::default()).unwrap_err(),
        "does not create directory buckets",
    );
    refused(client.delete_bucket(zonal).unwrap_err(), "s3express-control");
    refused(client.get_bucket_location(zonal).unwrap_err(), "s3express-control");
    refused(work(&client, "arn:aws:s3:::plain").unwrap_err(), "give the bucket's name");
    let redirect = Endpoint::redirect("https://cdn.example", "us-west-2").unwrap();
    let hour = Duration::from_secs(3600);
    let request = Presign::exactly(PresignMethod::Get, hour).endpoint(&redirect);
    refused(client.presign(POINT, "a", &request).unwrap_err(), "the endpoint cdn.example");
    assert_eq!(server.seen().len(), 0);
}
