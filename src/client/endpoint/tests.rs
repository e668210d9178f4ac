use super::*;
use crate::net::forms::{self, Place};

const PLAIN: Variant =
    Variant { stack: Stack::Ipv4, fips: Fips::NotRequired, acceleration: Acceleration::Off };
const DUAL: Variant = Variant { stack: Stack::Dual, ..PLAIN };
const FIPS: Variant = Variant { fips: Fips::Required, ..PLAIN };
const FIPS_DUAL: Variant = Variant { stack: Stack::Dual, ..FIPS };
const ACCELERATED: Variant = Variant { acceleration: Acceleration::On, ..PLAIN };
const ACCELERATED_DUAL: Variant = Variant { stack: Stack::Dual, ..ACCELERATED };

fn aws(region: &str, variant: Variant) -> Endpoint {
    Endpoint::aws(region, Scheme::Https, variant).unwrap()
}
fn custom(url: &str) -> Endpoint {
    Endpoint::custom(url, None, Scheme::Https).unwrap()
}
fn message<T: fmt::Debug>(result: Result<T>) -> String {
    let error = result.unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Configuration | ErrorKind::InvalidArgument),
        "{error:?}"
    );
    error.message().to_owned()
}
/// Root URL and bucket path of a bucket.
fn place(endpoint: &Endpoint, bucket: &str) -> String {
    let located = endpoint.locate(bucket).unwrap();
    format!("{}{}", located.root_url(), located.bucket_path())
}

#[test]
fn a_region_name_alone_decides_the_host() {
    for (region, partition, host) in [
        // Documented: the table of Amazon S3 endpoints, AWS General Reference.
        ("us-east-1", "aws", "s3.us-east-1.amazonaws.com"),
        ("eu-central-1", "aws", "s3.eu-central-1.amazonaws.com"),
        ("ap-southeast-7", "aws", "s3.ap-southeast-7.amazonaws.com"),
        ("mx-central-1", "aws", "s3.mx-central-1.amazonaws.com"),
        ("il-central-1", "aws", "s3.il-central-1.amazonaws.com"),
        ("us-gov-west-1", "aws-us-gov", "s3.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "aws-cn", "s3.cn-north-1.amazonaws.com.cn"),
        ("cn-northwest-1", "aws-cn", "s3.cn-northwest-1.amazonaws.com.cn"),
        ("us-iso-east-1", "aws-iso", "s3.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", "aws-iso-b", "s3.us-isob-east-1.sc2s.sgov.gov"),
        ("eu-isoe-west-1", "aws-iso-e", "s3.eu-isoe-west-1.cloud.adc-e.uk"),
        ("us-isof-south-1", "aws-iso-f", "s3.us-isof-south-1.csp.hci.ic.gov"),
        ("eusc-de-east-1", "aws-eusc", "s3.eusc-de-east-1.amazonaws.eu"),
        // Not opened yet.
        ("mx-central-9", "aws", "s3.mx-central-9.amazonaws.com"),
        ("us-west-77", "aws", "s3.us-west-77.amazonaws.com"),
        ("us-gov-south-1", "aws-us-gov", "s3.us-gov-south-1.amazonaws.com"),
        ("zz-middle-1", "aws", "s3.zz-middle-1.amazonaws.com"),
    ] {
        assert_eq!(Partition::of_region(region).id(), partition, "{region}");
        let endpoint = aws(region, PLAIN);
        assert_eq!(
            (endpoint.host(), endpoint.signing_region(), endpoint.port()),
            (host.to_owned(), region, 443)
        );
        assert!(endpoint.is_aws());
        assert_eq!(place(&endpoint, "registry"), format!("https://registry.{host}/"));
    }
}

#[test]
fn variants_have_the_documented_names() {
    for (region, variant, host) in [
        ("us-west-2", DUAL, "s3.dualstack.us-west-2.amazonaws.com"),
        ("cn-north-1", DUAL, "s3.dualstack.cn-north-1.amazonaws.com.cn"),
        ("us-east-2", FIPS, "s3-fips.us-east-2.amazonaws.com"),
        ("us-gov-east-1", FIPS, "s3-fips.us-gov-east-1.amazonaws.com"),
        ("ca-west-1", FIPS_DUAL, "s3-fips.dualstack.ca-west-1.amazonaws.com"),
        ("us-gov-west-1", FIPS_DUAL, "s3-fips.dualstack.us-gov-west-1.amazonaws.com"),
        ("us-iso-west-1", FIPS, "s3-fips.us-iso-west-1.c2s.ic.gov"),
        ("eu-west-1", ACCELERATED, "s3-accelerate.amazonaws.com"),
        ("eu-west-1", ACCELERATED_DUAL, "s3-accelerate.dualstack.amazonaws.com"),
    ] {
        let endpoint = aws(region, variant);
        assert_eq!((endpoint.host(), endpoint.signing_region()), (host.to_owned(), region));
    }
}

#[test]
fn variants_aws_does_not_have_are_refused() {
    let refuse = |region, scheme, variant| message(Endpoint::aws(region, scheme, variant));
    assert_eq!(
        refuse("cn-north-1", Scheme::Https, FIPS),
        "usefipsendpoint cannot be used with region cn-north-1: partition aws-cn has no FIPS endpoints"
    );
    assert_eq!(
        refuse("us-east-1", Scheme::Http, FIPS),
        "usefipsendpoint cannot be used with secure false: FIPS endpoints need TLS"
    );
    assert_eq!(
        refuse("us-east-1", Scheme::Https, Variant { fips: Fips::Required, ..ACCELERATED }),
        "accelerate cannot be used with usefipsendpoint: AWS has no such endpoint"
    );
    assert_eq!(
        refuse("us-gov-west-1", Scheme::Https, ACCELERATED),
        "accelerate cannot be used with region us-gov-west-1: partition aws-us-gov has no Transfer Acceleration"
    );
    assert_eq!(
        message(aws("eu-west-1", ACCELERATED).with_addressing(Addressing::Path)),
        "accelerate cannot be used with forcepathstyle: accelerated buckets are named in the host only"
    );
    for bucket in ["my.registry", "MyRegistry", "my_registry"] {
        assert_eq!(
            message(aws("eu-west-1", ACCELERATED).locate(bucket)),
            format!(
                "invalid bucket name provided: {bucket}; accelerate needs a bucket name that is a DNS name without dots"
            )
        );
    }
}

#[test]
fn a_region_cannot_change_the_host() {
    let long = format!("us-{}-1", "a".repeat(64));
    for region in [
        "",
        "us-east",
        "useast1",
        "us-east1",
        "US-EAST-1",
        "us_east_1",
        "us-east-1 ",
        " us-east-1",
        "us-east-1.evil",
        "us-east-1/x",
        "us-east-1#",
        "us-east-1@evil.example",
        "us-east-1:80",
        "us--1",
        "-us-east-1",
        "us-east-1-",
        "1us-east-1",
        "us-east-1\0",
        "us-east-1\r\nHost: x",
        "us-öst-1",
        "<nil>",
        "aws-global",
        long.as_str(),
    ] {
        let error = message(Endpoint::aws(region, Scheme::Https, PLAIN));
        assert!(error.starts_with("invalid region provided: "), "{error}");
        assert!(!error.contains(char::is_control), "{error}");
    }
}

#[test]
fn the_bucket_stands_where_it_can_work() {
    let https = aws("us-west-2", PLAIN);
    let http = Endpoint::aws("us-west-2", Scheme::Http, PLAIN).unwrap();
    let path = https.clone().with_addressing(Addressing::Path).unwrap();
    let virtual_host = |url: &str| custom(url).with_addressing(Addressing::VirtualHost).unwrap();
    let long = "b".repeat(64);
    for (endpoint, bucket, expected) in [
        (&https, "amzn-bucket", "https://amzn-bucket.s3.us-west-2.amazonaws.com/"),
        (&https, "my.bucket", "https://s3.us-west-2.amazonaws.com/my.bucket"),
        (&http, "my.bucket", "http://my.bucket.s3.us-west-2.amazonaws.com/"),
        (&https, "My_Bucket", "https://s3.us-west-2.amazonaws.com/My_Bucket"),
        (&http, "a..b", "http://s3.us-west-2.amazonaws.com/a..b"),
        (&http, "a.-b", "http://s3.us-west-2.amazonaws.com/a.-b"),
        (&http, "192.168.5.4", "http://s3.us-west-2.amazonaws.com/192.168.5.4"),
        (&https, "-ab", "https://s3.us-west-2.amazonaws.com/-ab"),
        (&https, &long, &format!("https://s3.us-west-2.amazonaws.com/{long}")),
        (&path, "registry", "https://s3.us-west-2.amazonaws.com/registry"),
        (
            &custom("https://s3.us-west-2.amazonaws.com"),
            "registry",
            "https://registry.s3.us-west-2.amazonaws.com/",
        ),
        (
            &custom("https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com"),
            "registry",
            "https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com/registry",
        ),
        (
            &custom("https://amazonaws.com.evil.example"),
            "registry",
            "https://amazonaws.com.evil.example/registry",
        ),
        (&custom("https://notamazonaws.com"), "registry", "https://notamazonaws.com/registry"),
        (&virtual_host("https://oss.example"), "registry", "https://registry.oss.example/"),
        (
            &virtual_host("https://oss.example/base"),
            "registry",
            "https://registry.oss.example/base",
        ),
        (&virtual_host("http://localhost:9000"), "registry", "http://localhost:9000/registry"),
        (&virtual_host("http://127.0.0.1"), "registry", "http://127.0.0.1/registry"),
        (&virtual_host("http://[::1]"), "registry", "http://[::1]/registry"),
    ] {
        assert_eq!(place(endpoint, bucket), expected);
        let in_host = endpoint.locate(bucket).unwrap().host_bucket().is_some();
        assert_eq!(in_host, !expected.ends_with(bucket), "{expected}");
    }
}

#[test]
fn a_bucket_name_addresses_one_bucket() {
    let long = "b".repeat(256);
    for bucket in [
        "",
        "ab",
        "..",
        "...",
        "---",
        "a/b",
        "/abc",
        "abc/",
        "a/../b",
        "a b",
        "a?b",
        "a#b",
        "a%2f",
        "a:b",
        "a\0b",
        "a\nb",
        "bücket",
        "arn:aws:s3:::x",
        long.as_str(),
    ] {
        for endpoint in [aws("us-east-1", PLAIN), custom("http://127.0.0.1:9000")] {
            let error = endpoint.locate(bucket).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().starts_with("invalid bucket name provided: "), "{error}");
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
}

/// Ceph takes the tenant of a bucket in the path: `tenant:bucket`.
#[test]
fn a_bucket_of_another_tenant_is_addressed_by_the_path() {
    let ceph = custom("https://s3.example/base");
    let in_host = custom("https://s3.example").with_addressing(Addressing::VirtualHost).unwrap();
    for (bucket, path) in [
        ("acme:reports", "acme%3Areports"),
        (":reports", "%3Areports"),
        ("Acme_1:Old_reports.2", "Acme_1%3AOld_reports.2"),
    ] {
        assert_eq!(place(&ceph, bucket), format!("https://s3.example/base/{path}"));
        assert_eq!(place(&in_host, bucket), format!("https://s3.example/{path}"));
        assert_eq!(copy_source(bucket).unwrap(), bucket);
        assert_eq!(BucketKind::of(bucket).unwrap(), BucketKind::GeneralPurpose);
        assert!(message(aws("us-east-1", PLAIN).locate(bucket)).contains("tenants"));
    }
    let long = format!("{}:reports", "a".repeat(256));
    for bucket in
        ["acme:", "acme:ab", "a:b:reports", "a/b:reports", "..:reports", "ä:reports", &long]
    {
        let error = ceph.locate(bucket).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{bucket}");
    }
    for (one, other, may_be) in [
        ("acme:reports", "reports", true),
        ("reports", ":reports", true),
        ("acme:reports", "other:reports", true),
        ("acme:reports", "acme:archive", false),
        ("acme:reports", "archive", false),
    ] {
        assert_eq!(may_be_same_bucket(one, other), may_be, "{one} {other}");
    }
}

#[test]
fn keys_keep_their_bytes() {
    let located = custom("http://s.example/base").locate("registry").unwrap();
    for key in ["a", "/a", "..", "../other", "a//b", "a/", "%2F"] {
        assert_eq!(located.object_path(key).unwrap(), format!("/base/registry/{key}"));
    }
    assert_eq!(message(located.object_path("")), "the key is empty");
    let located = aws("us-east-1", PLAIN).locate("registry").unwrap();
    assert_eq!(located.object_path("/a").unwrap(), "//a");
}

#[test]
fn another_region_is_another_host_only_where_the_region_chose_it() {
    let moved = aws("us-east-1", DUAL)
        .with_addressing(Addressing::Path)
        .unwrap()
        .for_region("eu-west-3")
        .unwrap();
    assert_eq!(place(&moved, "registry"), "https://s3.dualstack.eu-west-3.amazonaws.com/registry");
    assert_eq!(moved.signing_region(), "eu-west-3");
    let moved = custom("http://s.example").for_region("eu").unwrap();
    assert_eq!(
        (place(&moved, "registry").as_str(), moved.signing_region()),
        ("http://s.example/registry", "eu")
    );
    assert!(aws("us-east-1", PLAIN).for_region("evil.example/").is_err());
    assert!(custom("http://s.example").for_region("a/b").is_err());
}

/// A URL without a region: presigned URLs and bodies that can be read only once leave no chance to
/// learn it.
#[test]
fn the_region_in_a_host_of_aws_is_the_region_of_the_signature() {
    for (url, region) in [
        ("https://s3.eu-west-1.amazonaws.com", "eu-west-1"),
        ("s3.dualstack.ap-south-1.amazonaws.com", "ap-south-1"),
        ("https://s3-us-west-2.amazonaws.com", "us-west-2"),
        ("https://s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("https://bucket.vpce-1a2b.s3.us-east-2.vpce.amazonaws.com", "us-east-2"),
        ("https://s3.amazonaws.com", "us-east-1"),
        ("https://s3.eu-west-1.example.com", "us-east-1"),
        ("http://127.0.0.1:9000", "us-east-1"),
    ] {
        assert_eq!(custom(url).signing_region(), region, "{url}");
        let given = Endpoint::custom(url, Some("eu-north-1"), Scheme::Https).unwrap();
        assert_eq!(given.signing_region(), "eu-north-1", "{url}");
    }
}

/// A redirect leaves neither the partition nor the hosts with validated cryptography.
#[test]
fn a_redirect_from_a_fips_endpoint_leads_to_another_one() {
    for (variant, location, followed) in [
        (FIPS, "https://registry.s3.us-west-2.amazonaws.com/", false),
        (FIPS, "https://registry.s3-fips.us-west-2.amazonaws.com/", true),
        (FIPS_DUAL, "https://registry.s3.dualstack.us-west-2.amazonaws.com/", false),
        (PLAIN, "https://registry.s3-fips.us-west-2.amazonaws.com/", true),
        (DUAL, "https://registry.s3.us-west-2.amazonaws.com/", true),
    ] {
        let located = aws("us-east-1", variant).locate("registry").unwrap();
        let found = located.redirected(location, "registry");
        assert_eq!(found.is_some(), followed, "{variant:?} {location}");
    }
}

#[test]
fn a_redirect_to_the_same_host_changes_nothing() {
    // The host begins with the bucket's name by chance: the bucket stays in the path.
    let located = custom("http://registry.example:9000/base").locate("registry").unwrap();
    let again = located.redirected("http://REGISTRY.example:9000/elsewhere?x", "registry").unwrap();
    assert_eq!((again.path_of("a"), again.host_bucket()), ("/base/registry/a".to_owned(), None));
    assert_eq!(located.redirected("http://registry.example/base", "registry"), None);
    assert_eq!(located.redirected("https://registry.example:9000/", "registry"), None);
}

#[test]
fn the_transport_gets_the_same_place() {
    let place = custom("http://[::1]:9000").locate("registry").unwrap();
    let expected = Origin { scheme: Scheme::Http, host: "::1".to_owned(), port: 9000 };
    assert_eq!(place.origin(), &expected);
}

#[test]
fn a_custom_endpoint_is_taken_apart() {
    for (url, default, root, bucket_path) in [
        ("minio.example:9000", Scheme::Https, "https://minio.example:9000", "/registry"),
        ("minio.example:9000", Scheme::Http, "http://minio.example:9000", "/registry"),
        ("http://minio.example", Scheme::Https, "http://minio.example", "/registry"),
        ("HTTPS://MinIO.Example:443/", Scheme::Http, "https://minio.example", "/registry"),
        ("http://minio.example:443", Scheme::Https, "http://minio.example:443", "/registry"),
        (
            "https://x.supabase.co/storage/v1/s3",
            Scheme::Http,
            "https://x.supabase.co",
            "/storage/v1/s3/registry",
        ),
        ("http://minio_1:9000//", Scheme::Http, "http://minio_1:9000", "/registry"),
        ("127.0.0.1:8000", Scheme::Http, "http://127.0.0.1:8000", "/registry"),
        ("http://[::1]:8000/", Scheme::Http, "http://[::1]:8000", "/registry"),
        ("[2001:DB8::1]", Scheme::Https, "https://[2001:db8::1]", "/registry"),
    ] {
        let endpoint = Endpoint::custom(url, None, default).unwrap();
        let located = endpoint.locate("registry").unwrap();
        assert_eq!(
            (located.root_url().as_str(), located.bucket_path()),
            (root, bucket_path),
            "{url}"
        );
        assert_eq!(
            (located.host_bucket(), endpoint.signing_region(), endpoint.is_aws()),
            (None, "us-east-1", false)
        );
    }
    assert_eq!(
        Endpoint::custom("s.example", Some("RegionOne"), Scheme::Http).unwrap().signing_region(),
        "RegionOne"
    );
    assert_eq!(custom("http://[::1]:8000").locate("registry").unwrap().host(), "::1");
    for region in ["", "a/b", "a b", "a,b", "a\n"] {
        assert!(
            message(Endpoint::custom("s.example", Some(region), Scheme::Http))
                .starts_with("invalid region provided: ")
        );
    }
}

#[test]
fn what_is_no_endpoint_is_refused() {
    let host = "it has a host that is neither a name nor an address (IPv6 in brackets)";
    let no_host = "it has no host";
    let port = "it has a port that is not a number from 1 to 65535";
    let base = "it may have only A-Za-z0-9._~- between the slashes of the base path";
    let scheme = "it has a scheme other than http and https";
    let long = "a".repeat(254);
    for (url, why) in [
        ("ftp://s.example", scheme),
        ("://s.example", scheme),
        ("http://s.example?x=1", "it cannot contain query parameters"),
        ("http://s.example/#x", "it has a fragment (#), which is never sent to a server"),
        ("http://", no_host),
        ("http:///registry", no_host),
        ("http://-s.example", host),
        ("http://s..example", host),
        ("http://s.example.", host),
        ("http://s example", host),
        ("http://s.example\\x", host),
        ("http://s%2eexample", host),
        ("http://1.2.3", host),
        ("http://1.2.3.4.5", host),
        ("http://0x7f.1", host),
        ("http://::1", host),
        ("http://[::1", host),
        ("http://[::1%25eth0]", host),
        ("http://[::1]x", host),
        (long.as_str(), host),
        ("http://s.example:", port),
        ("http://s.example:0", port),
        ("http://s.example:65536", port),
        ("http://s.example:+80", port),
        ("http://s.example:8o", port),
        ("http://s.example/a//b", base),
        ("http://s.example/a/../b", base),
        ("http://s.example/a%2fb", base),
        ("http://s.example/a b", "it contains a character that must be percent-encoded"),
    ] {
        let error = message(Endpoint::custom(url, None, Scheme::Http));
        assert!(
            error.starts_with("unable to parse regionendpoint: ") && error.ends_with(why),
            "{url:?}: {error}"
        );
    }
    let error = message(Endpoint::custom("http://key:hunter2@s.example", None, Scheme::Http));
    assert_eq!(
        error,
        "unable to parse regionendpoint: (not shown): it contains a user name, which is allowed only for a proxy"
    );
    let error = message(Endpoint::custom("http://key:hunter2@s.example?x", None, Scheme::Http));
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_redirect_endpoint_is_scheme_host_and_port() {
    let endpoint = Endpoint::redirect("https://cdn.example:8443/", "eu-west-1").unwrap();
    assert_eq!(
        (place(&endpoint, "registry").as_str(), endpoint.signing_region()),
        ("https://cdn.example:8443/registry", "eu-west-1")
    );
    for (url, expected) in [
        (
            "cdn.example",
            "no scheme specified for redirectendpoint: cdn.example; it must begin with http:// or https://",
        ),
        ("https://", "no host specified for redirectendpoint: https://"),
        ("https:///x", "no host specified for redirectendpoint: https:///x"),
        ("https://cdn.example/base", "redirectendpoint cannot contain a base path: /base"),
        ("https://cdn.example?x=1", "redirectendpoint cannot contain query parameters"),
        (
            "ftp://cdn.example",
            "unable to parse redirectendpoint: ftp://cdn.example: it has a scheme other than http and https",
        ),
        (
            "https://a:b@cdn.example",
            "unable to parse redirectendpoint: (not shown): it contains a user name, which is allowed only for a proxy",
        ),
        (
            "https://cdn.example#x",
            "unable to parse redirectendpoint: https://cdn.example#(not shown): it has a fragment (#), which is never sent to a server",
        ),
    ] {
        assert_eq!(message(Endpoint::redirect(url, "us-east-1")), expected);
    }
    let error = message(Endpoint::redirect("https://a:hunter2@cdn.example/base", "us-east-1"));
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_location_is_followed_when_it_is_a_url() {
    let places = ["http://h:81", "http://h", "https://h:81", "http://evil:81", "http://evil"];
    let places = places.map(|place| custom(place).locate("registry").unwrap());
    for (text, accepted, why) in forms::URLS {
        let followed = places.iter().any(|from| from.redirected(text, "registry").is_some());
        assert_eq!(followed, accepted.contains(&Place::Location), "{text:?}: {why}");
    }
}

/// P12: hosts of other services below AWS's domains are anyone's, such as MinIO on a virtual
/// machine.
#[test]
fn p12_only_hosts_of_s3_count_as_amazon_s3() {
    for host in [
        "my-lb-123.us-east-1.elb.amazonaws.com",
        "s3-lb-123.elb.eu-west-1.amazonaws.com",
        "ec2-203-0-113-1.eu-west-1.compute.amazonaws.com",
        "ec2-203-0-113-1.compute-1.amazonaws.com",
        "ec2-203-0-113-1.cn-north-1.compute.amazonaws.com.cn",
        "abc123.execute-api.us-east-1.amazonaws.com",
        "d111.cloudfront.amazonaws.com",
        "amazonaws.com",
    ] {
        for url in [format!("https://{host}"), format!("http://{host}:9000")] {
            let endpoint = custom(&url);
            assert!(!endpoint.is_aws(), "{url}");
            assert_eq!(place(&endpoint, "registry"), format!("{url}/registry"));
        }
    }
    for host in
        ["s3.amazonaws.com", "s3-us-west-2.amazonaws.com", "s3.dualstack.eu-west-1.amazonaws.com"]
    {
        let endpoint = custom(&format!("https://{host}"));
        assert!(endpoint.is_aws(), "{host}");
        assert_eq!(place(&endpoint, "registry"), format!("https://registry.{host}/"));
    }
    assert!(custom("https://vpce-1a2b.s3.us-east-1.vpce.amazonaws.com").is_aws());
}

#[test]
fn p32_hosts_of_other_services_of_s3_are_refused_by_name() {
    for (host, why, hint) in [
        (
            "s3-website-us-east-1.amazonaws.com",
            "serves websites, not the S3 API",
            "s3.REGION.amazonaws.com",
        ),
        (
            "registry.s3-website.eu-central-1.amazonaws.com",
            "serves websites, not the S3 API",
            "set region",
        ),
        ("ap-123.s3-accesspoint.us-west-2.amazonaws.com", "belongs to an access point", "ARN"),
        ("m.mrap.accesspoint.s3-global.amazonaws.com", "belongs to an access point", "ARN"),
        ("s3express-use1-az4.us-east-1.amazonaws.com", "S3 Express One Zone", "set region"),
    ] {
        let error = Endpoint::custom(&format!("https://{host}"), None, Scheme::Https).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.message().contains(why) && error.message().contains(host), "{error}");
        assert!(error.hint().is_some_and(|text| text.contains(hint)), "{error}");
    }
}

/// P32: a redirect only names the bucket in the host if the host belongs to a bucket.
#[test]
fn p32_a_redirect_never_moves_the_bucket() {
    let follow = |bucket: &str, location: &str| {
        let endpoint = Endpoint::aws("us-east-1", Scheme::Https, PLAIN).unwrap();
        let to = endpoint.locate(bucket).unwrap().redirected(location, bucket)?;
        Some(format!("{}{}", to.root_url(), to.path_of("key")))
    };
    for (bucket, location, to) in [
        (
            "registry",
            "https://registry.s3.eu-west-1.amazonaws.com/key",
            Some("https://registry.s3.eu-west-1.amazonaws.com/key"),
        ),
        (
            "registry",
            "https://s3-us-west-2.amazonaws.com/registry/key",
            Some("https://s3-us-west-2.amazonaws.com/registry/key"),
        ),
        // The bucket has the name of a region's old host.
        (
            "s3-us-west-2",
            "https://s3-us-west-2.amazonaws.com/x",
            Some("https://s3-us-west-2.amazonaws.com/s3-us-west-2/key"),
        ),
        (
            "s3-us-west-2",
            "https://s3-us-west-2.s3.eu-west-1.amazonaws.com/",
            Some("https://s3-us-west-2.s3.eu-west-1.amazonaws.com/key"),
        ),
        ("registry", "https://other.s3.eu-west-1.amazonaws.com/key", None),
        ("registry", "https://registry.s3-website-eu-west-1.amazonaws.com/key", None),
        ("registry", "https://s3-website-eu-west-1.amazonaws.com/registry/key", None),
        ("registry", "https://registry.s3.us-gov-west-1.amazonaws.com/key", None),
        ("registry", "https://registry.s3.cn-north-1.amazonaws.com.cn/key", None),
    ] {
        assert_eq!(follow(bucket, location).as_deref(), to, "{bucket} {location}");
    }
}

#[test]
fn p23_a_region_is_learnt_within_its_partition() {
    let assumed = |url: &str| Endpoint::custom(url, None, Scheme::Https).unwrap();
    for (endpoint, region, may) in [
        (aws("us-east-1", PLAIN), "eu-west-1", true),
        (aws("us-east-1", PLAIN), "cn-north-1", false),
        (aws("us-east-1", PLAIN), "us-gov-west-1", false),
        (aws("us-gov-west-1", PLAIN), "us-gov-east-1", true),
        (aws("us-gov-west-1", PLAIN), "us-east-1", false),
        (assumed("https://s3.amazonaws.com"), "eu-west-1", true),
        (assumed("https://s3.amazonaws.com"), "cn-north-1", false),
        (assumed("https://s3.example.com"), "cn-north-1", true),
        (assumed("https://s3.example.com"), "garage", true),
        (Endpoint::custom("https://s3.example.com", Some("a"), Scheme::Https).unwrap(), "b", false),
    ] {
        assert_eq!(endpoint.may_learn_region(region), may, "{endpoint:?} {region}");
    }
}

/// Case 14: an endpoint as a console displays it, with the bucket in its host or its path.
#[test]
fn case_14_an_endpoint_that_names_the_bucket_is_refused() {
    let located = |url: &str, addressing: Addressing| {
        custom(url).with_addressing(addressing).and_then(|endpoint| endpoint.locate("registry"))
    };
    for (url, right) in [
        ("https://registry.nyc3.digitaloceanspaces.com", "https://nyc3.digitaloceanspaces.com"),
        ("https://REGISTRY.nyc3.digitaloceanspaces.com/", "https://nyc3.digitaloceanspaces.com"),
        ("https://registry.s3.eu-central-1.amazonaws.com", "https://s3.eu-central-1.amazonaws.com"),
        ("https://other.s3.eu-central-1.amazonaws.com", "https://s3.eu-central-1.amazonaws.com"),
        (
            "https://registry.s3.eu-central-1.amazonaws.com/registry",
            "https://s3.eu-central-1.amazonaws.com",
        ),
        ("http://registry.s3.example.com:9000/base", "http://s3.example.com:9000/base"),
        ("https://s3.example.com/registry", "https://s3.example.com"),
        ("https://s3.example.com/registry/", "https://s3.example.com"),
        ("https://127.0.0.1:9000/base/registry", "https://127.0.0.1:9000/base"),
    ] {
        for addressing in [Addressing::Auto, Addressing::VirtualHost] {
            let error = located(url, addressing).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{url}");
            assert_eq!(
                error.hint(),
                Some(&*format!("give the endpoint without the bucket: {right}")),
                "{url}: {error}"
            );
        }
    }
    // With path addressing, a host may begin like this by chance; a host of a service, or a path
    // that ends like this, hardly can.
    assert!(located("https://registry.example.com", Addressing::Path).is_ok());
    for url in ["https://registry.s3.example.com", "https://s3.example.com/registry"] {
        assert!(located(url, Addressing::Path).is_err(), "{url}");
    }
    for url in [
        "http://registry:9000",
        "http://registry.example",
        "https://registry-s3.example.com",
        "https://s3.example.com/registry/base",
    ] {
        assert!(located(url, Addressing::Auto).is_ok(), "{url}");
    }
    for url in [
        "https://registry.nyc3.digitaloceanspaces.com.",
        "https://s3.example.com.:9000/x",
        "s3.example.com.",
    ] {
        let error = Endpoint::custom(url, None, Scheme::Https).unwrap_err();
        assert_eq!(error.hint(), Some("leave out the dot at the end of the host name"), "{error}");
    }
}
