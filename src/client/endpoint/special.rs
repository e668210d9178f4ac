//! The hosts of access points and directory buckets on AWS. They follow the rules that AWS
//! publishes for its own SDKs, with `use_arn_region`: the region in an ARN decides, even if the
//! client has another one.
use super::name::{Arn, BucketKind, OutpostLabel, Resource, Special, bucket_error};
use super::variant::{Acceleration, Fips, Stack, Variant};
use crate::error::Result;
use crate::net::aws::Partition;

/// The region set of a request that any region may process.
pub(super) const EVERY_REGION: &str = "*";

/// The endpoint of a region, from which the hosts of its access points and directory buckets are
/// derived.
#[derive(Clone, Copy)]
pub(super) struct Site<'a> {
    pub(super) region: &'a str,
    pub(super) variant: Variant,
}

/// A host, and the region that requests to it are signed for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SpecialHost {
    pub(super) host: String,
    pub(super) region: String,
}

impl Site<'_> {
    /// Returns the host of what `special`, the parsed `bucket`, names.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument): the endpoint's variant
    /// does not exist for this kind, or the ARN is of another partition.
    pub(super) fn host(self, bucket: &str, special: &Special<'_>) -> Result<SpecialHost> {
        self.check_variant(bucket, special)?;
        let suffix = Partition::of_region(self.region).dns_suffix();
        let Self { region, variant } = self;
        let fips = if variant.fips == Fips::Required { "-fips" } else { "" };
        let dual = if variant.stack == Stack::Dual { ".dualstack" } else { "" };
        let here = |host: String| SpecialHost { host, region: region.to_owned() };
        Ok(match special {
            Special::Directory { zone } => {
                here(format!("{bucket}.s3express{fips}-{zone}{dual}.{region}.{suffix}"))
            }
            Special::OutpostAlias(label) => {
                let label = match label {
                    Some(OutpostLabel::Rack(id)) => format!("op-{id}"),
                    Some(OutpostLabel::Ec2) => "ec2".to_owned(),
                    None => {
                        let why = "this alias of an access point of an Outpost is not known";
                        return Err(
                            bucket_error(bucket, why).with_hint("give the ARN of the access point")
                        );
                    }
                };
                here(format!("{bucket}.{label}.s3-outposts.{region}.{suffix}"))
            }
            Special::Arn(arn) => {
                self.check_partition(bucket, arn)?;
                let Arn { region, account, resource, .. } = arn;
                let host = match resource {
                    Resource::AccessPoint { name } => {
                        format!("{name}-{account}.s3-accesspoint{fips}{dual}.{region}.{suffix}")
                    }
                    Resource::ObjectLambda { name } => {
                        format!("{name}-{account}.s3-object-lambda{fips}.{region}.{suffix}")
                    }
                    Resource::Outpost { id, name } => {
                        format!("{name}-{account}.{id}.s3-outposts.{region}.{suffix}")
                    }
                    Resource::MultiRegion { alias } => {
                        format!("{alias}.mrap.accesspoint.s3-global.{suffix}")
                    }
                };
                let region = if region.is_empty() { EVERY_REGION } else { region };
                SpecialHost { host, region: region.to_owned() }
            }
        })
    }

    /// Rejects the variants of the endpoint that AWS does not have for this kind.
    fn check_variant(self, bucket: &str, special: &Special<'_>) -> Result<()> {
        use BucketKind::{MultiRegion, ObjectLambda, Outpost};
        let Variant { stack, fips, acceleration } = self.variant;
        let kind = special.kind();
        let option = if acceleration == Acceleration::On {
            "accelerate"
        } else if stack == Stack::Dual && matches!(kind, ObjectLambda | Outpost | MultiRegion) {
            "usedualstack"
        } else if fips == Fips::Required && matches!(kind, Outpost | MultiRegion) {
            "usefipsendpoint"
        } else {
            return Ok(());
        };
        let kind = kind.plural();
        let why = format!("{option} cannot be used with {kind}: AWS has no such endpoint");
        Err(bucket_error(bucket, &why))
    }

    /// Rejects an ARN of another partition, which has other accounts and another domain.
    fn check_partition(self, bucket: &str, arn: &Arn<'_>) -> Result<()> {
        let own = Partition::of_region(self.region);
        if arn.partition == own {
            return Ok(());
        }
        let why = format!(
            "the ARN is of the partition {}, but the region {} is of {}",
            arn.partition.id(),
            self.region,
            own.id()
        );
        Err(bucket_error(bucket, &why).with_hint("set a region of the ARN's partition"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use crate::client::endpoint::{
        Acceleration, Addressing, ArnRegions, Endpoint, Fips, Scheme, Stack, Variant,
    };
    use crate::error::{ErrorKind, Result};

    const POINT: &str = "arn:aws:s3:us-west-2:123456789012:accesspoint/reports";
    const LAMBDA: &str = "arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/reports";
    const OUTPOST: &str = "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01234567890123456/accesspoint/reports";
    const MULTI: &str = "arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap";
    const ZONAL: &str = "reports--usw2-az1--x-s3";
    const RACK: &str = "test-accessp-o0b1d075431d83bebde8xz5w8ijx1qzlbp3i3kuse10--op-s3";
    const EC2: &str = "test-accessp-e0000075431d83bebde8xz5w8ijx1qzlbp3i3kuse10--op-s3";

    const POINT_WITH_COLONS: &str = "arn:aws:s3:us-west-2:123456789012:accesspoint:reports";
    const POINT_IN_CHINA: &str = "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/reports";
    const LAMBDA_IN_GOVCLOUD: &str =
        "arn:aws-us-gov:s3-object-lambda:us-gov-east-1:123456789012:accesspoint/reports";
    const OUTPOST_WITH_COLONS: &str = "arn:aws:s3-outposts:us-west-2:123456789012:outpost:op-01234567890123456:accesspoint:reports";
    const VPCE: &str = "https://accesspoint.vpce-1a2b.s3.us-west-2.vpce.amazonaws.com";
    const VPCE_ELSEWHERE: &str = "https://accesspoint.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com";
    const VPCE_OF_BUCKETS: &str = "https://bucket.vpce-1a2b.s3.us-west-2.vpce.amazonaws.com";
    const AWS_URL: &str = "https://s3.us-west-2.amazonaws.com";
    const HOSTS_OF_AWS: &str = "have hosts of AWS that contain their names";

    /// The endpoint, the bucket argument, and the URL, region and service that AWS's endpoint rules
    /// give. `{}` stands for the URL's beginning with the access point, and `[]` for the bucket.
    const FOUND: &[(&str, &str, &str)] = &[
        ("us-west-2", POINT, "{}.s3-accesspoint.us-west-2.amazonaws.com/ us-west-2 s3"),
        ("us-east-1", POINT, "{}.s3-accesspoint.us-west-2.amazonaws.com/ us-west-2 s3"),
        ("us-west-2", POINT_WITH_COLONS, "{}.s3-accesspoint.us-west-2.amazonaws.com/ us-west-2 s3"),
        ("us-east-1 fips", POINT, "{}.s3-accesspoint-fips.us-west-2.amazonaws.com/ us-west-2 s3"),
        (
            "us-east-1 dual",
            POINT,
            "{}.s3-accesspoint.dualstack.us-west-2.amazonaws.com/ us-west-2 s3",
        ),
        (
            "us-east-1 fips dual",
            POINT,
            "{}.s3-accesspoint-fips.dualstack.us-west-2.amazonaws.com/ us-west-2 s3",
        ),
        (
            "cn-northwest-1",
            POINT_IN_CHINA,
            "{}.s3-accesspoint.cn-north-1.amazonaws.com.cn/ cn-north-1 s3",
        ),
        (VPCE, POINT, "{}.accesspoint.vpce-1a2b.s3.us-west-2.vpce.amazonaws.com/ us-west-2 s3"),
        (
            "us-west-2",
            LAMBDA,
            "{}.s3-object-lambda.us-west-2.amazonaws.com/ us-west-2 s3-object-lambda",
        ),
        (
            "us-gov-west-1 fips",
            LAMBDA_IN_GOVCLOUD,
            "{}.s3-object-lambda-fips.us-gov-east-1.amazonaws.com/ us-gov-east-1 s3-object-lambda",
        ),
        (
            "us-east-1",
            OUTPOST,
            "{}.op-01234567890123456.s3-outposts.us-west-2.amazonaws.com/ us-west-2 s3-outposts",
        ),
        (
            "us-west-2",
            OUTPOST_WITH_COLONS,
            "{}.op-01234567890123456.s3-outposts.us-west-2.amazonaws.com/ us-west-2 s3-outposts",
        ),
        (
            "us-west-1",
            RACK,
            "https://test-accessp-o0b1d075431d83bebde8xz5w8ijx1qzlbp3i3kuse10--op-s3\
                 .op-0b1d075431d83bebd.s3-outposts.us-west-1.amazonaws.com/ us-west-1 s3-outposts",
        ),
        (
            "me-south-1",
            EC2,
            "https://test-accessp-e0000075431d83bebde8xz5w8ijx1qzlbp3i3kuse10--op-s3\
                 .ec2.s3-outposts.me-south-1.amazonaws.com/ me-south-1 s3-outposts",
        ),
        ("https://s3.example", RACK, "https://s3.example/[] us-east-1 s3"),
        (
            "us-west-2",
            ZONAL,
            "https://reports--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/ \
                 us-west-2 s3express",
        ),
        (
            "us-west-2 fips dual",
            ZONAL,
            "https://reports--usw2-az1--x-s3.s3express-fips-usw2-az1.dualstack.us-west-2\
                 .amazonaws.com/ us-west-2 s3express",
        ),
        (
            "us-east-1",
            "my--s3--bucket--abcd-ab1--x-s3",
            "https://my--s3--bucket--abcd-ab1--x-s3.s3express-abcd-ab1.us-east-1.amazonaws.com/ \
                 us-east-1 s3express",
        ),
        (
            "us-west-2",
            "point--usw2-lax1-az1--xa-s3",
            "https://point--usw2-lax1-az1--xa-s3.s3express-usw2-lax1-az1.us-west-2.amazonaws.com/ \
                 us-west-2 s3express",
        ),
        (
            "cn-north-1",
            "a--cnn1-az1--x-s3",
            "https://a--cnn1-az1--x-s3.s3express-cnn1-az1.cn-north-1.amazonaws.com.cn/ \
                 cn-north-1 s3express",
        ),
        ("http://127.0.0.1:9000", ZONAL, "http://127.0.0.1:9000/[] us-east-1 s3express"),
        ("https://zone.example virtual", ZONAL, "https://[].zone.example/ us-east-1 s3express"),
        (
            "us-west-2",
            "reports-abcdefgh-s3alias",
            "https://reports-abcdefgh-s3alias.s3.us-west-2.amazonaws.com/ us-west-2 s3",
        ),
        (
            "us-west-2",
            "reports-abcdefgh--ol-s3",
            "https://reports-abcdefgh--ol-s3.s3.us-west-2.amazonaws.com/ us-west-2 s3",
        ),
        ("https://s3.example", "name.mrap", "https://s3.example/name.mrap us-east-1 s3"),
    ];

    /// The endpoint, the bucket argument that contradicts it, and the reason.
    const REFUSED: &[(&str, &str, &str)] = &[
        ("us-west-2 path", POINT, "forcepathstyle cannot be used with access points"),
        ("us-west-2 path", LAMBDA, "forcepathstyle cannot be used with Object Lambda"),
        ("us-west-2 path", OUTPOST, "forcepathstyle cannot be used with access points of Outposts"),
        ("us-west-2 path", ZONAL, "forcepathstyle cannot be used with directory buckets"),
        ("us-west-2 http", POINT, "secure false cannot be used with access points"),
        ("us-west-2 http", ZONAL, "secure false cannot be used with directory buckets"),
        ("us-west-2 accelerate", POINT, "accelerate cannot be used with access points"),
        ("us-west-2 accelerate", LAMBDA, "accelerate cannot be used with Object Lambda"),
        ("us-west-2 accelerate", OUTPOST, "accelerate cannot be used with access points of"),
        ("us-west-2 accelerate", ZONAL, "accelerate cannot be used with directory buckets"),
        ("us-west-2 dual", LAMBDA, "usedualstack cannot be used with Object Lambda"),
        ("us-west-2 dual", OUTPOST, "usedualstack cannot be used with access points of Outposts"),
        ("us-west-2 dual", RACK, "usedualstack cannot be used with access points of Outposts"),
        ("us-west-2 fips", OUTPOST, "usefipsendpoint cannot be used with access points of"),
        ("us-east-1", POINT_IN_CHINA, "the ARN is of the partition aws-cn"),
        ("cn-north-1", POINT, "the ARN is of the partition aws, but the region cn-north-1"),
        ("us-gov-west-1", POINT, "the region us-gov-west-1 is of aws-us-gov"),
        ("https://s3.example", POINT, HOSTS_OF_AWS),
        ("https://s3.example virtual", LAMBDA, HOSTS_OF_AWS),
        ("http://127.0.0.1:9000", OUTPOST, HOSTS_OF_AWS),
        (AWS_URL, POINT, HOSTS_OF_AWS),
        (AWS_URL, ZONAL, HOSTS_OF_AWS),
        (AWS_URL, RACK, HOSTS_OF_AWS),
        (VPCE_OF_BUCKETS, POINT, "accesspoint.vpce-ID"),
        (VPCE_OF_BUCKETS, OUTPOST, HOSTS_OF_AWS),
        (VPCE_ELSEWHERE, POINT, "is not in the region of the ARN"),
        (VPCE_ELSEWHERE, ZONAL, HOSTS_OF_AWS),
        ("us-west-2", "name.mrap", "has no host without its account"),
        (AWS_URL, "name.mrap", "has no host without its account"),
        (
            "us-west-2",
            "test-accessp-h0000075431d83bebde8xz5w8ijx1qzlbp3i3kuse10--op-s3",
            "this alias of an access point of an Outpost is not known",
        ),
        (
            "us-west-2",
            "test-accessp-o0b1d075431d83bebde8xz5w8ijx1qzlbp3i3kbeta0--op-s3",
            "this alias of an access point of an Outpost is not known",
        ),
        ("us-west-2", "short--op-s3", "this alias of an access point of an Outpost is not known"),
    ];

    /// Returns the endpoint that a line of words describes: a region or a URL, and options.
    fn endpoint(words: &str) -> Result<Endpoint> {
        let has = |word: &str| words.split(' ').any(|own| own == word);
        let place = words.split(' ').next().unwrap();
        let mut variant = Variant::default();
        if has("dual") {
            variant = variant.stack(Stack::Dual);
        }
        if has("fips") {
            variant = variant.fips(Fips::Required);
        }
        if has("accelerate") {
            variant = variant.acceleration(Acceleration::On);
        }
        let endpoint = match place.contains("://") {
            true => Endpoint::custom(place, None, Scheme::Https)?,
            false if has("http") => Endpoint::aws(place, Scheme::Http, variant)?,
            false => Endpoint::aws(place, Scheme::Https, variant)?,
        };
        endpoint.with_addressing(match (has("path"), has("virtual")) {
            (true, _) => Addressing::Path,
            (_, true) => Addressing::VirtualHost,
            _ => Addressing::Auto,
        })
    }

    /// Returns the URL of the bucket, and the region and the service of the signature.
    fn found(words: &str, bucket: &str) -> Result<String> {
        let located = endpoint(words)?.locate(bucket)?;
        let (region, service) = (located.signing_region(), located.signing_service());
        Ok(format!("{}{} {region} {service}", located.root_url(), located.bucket_path()))
    }

    #[test]
    fn each_kind_has_its_host_and_its_signature() {
        for (words, bucket, expected) in FOUND {
            let expected =
                expected.replace("{}", "https://reports-123456789012").replace("[]", bucket);
            assert_eq!(found(words, bucket).unwrap(), expected, "{words} {bucket}");
        }
        let multi = found("eu-west-1", MULTI);
        if cfg!(feature = "sigv4a") {
            let host = "https://mfzwi23gnjvgw.mrap.accesspoint.s3-global.amazonaws.com";
            assert_eq!(multi.unwrap(), format!("{host}/ * s3"));
        } else {
            assert!(multi.unwrap_err().message().contains("without the feature sigv4a"));
        }
    }

    #[test]
    fn the_region_of_an_arn_can_be_required_to_be_the_endpoints() {
        let own = |words: &str| endpoint(words).unwrap().with_arn_regions(ArnRegions::Own);
        assert!(own("us-west-2").locate(POINT).is_ok());
        for bucket in [POINT, LAMBDA, OUTPOST] {
            for endpoint in [own("us-east-1"), own("us-west-2").for_region("us-east-1").unwrap()] {
                let error = endpoint.locate(bucket).unwrap_err();
                assert!(error.message().contains("the ARN's region is not us-east-1"), "{error}");
            }
        }
        assert_eq!(own("us-east-1").locate(MULTI).is_ok(), cfg!(feature = "sigv4a"));
    }

    #[test]
    fn what_contradicts_the_endpoint_is_refused_by_name() {
        for (words, bucket, why) in REFUSED {
            let error = found(words, bucket).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{words} {bucket}");
            assert!(error.message().contains(why), "{words} {bucket}: {error}");
            let is_shown = error.message().contains(bucket);
            assert!(is_shown || !bucket.starts_with("arn:"), "{words} {bucket}: {error}");
        }
        if cfg!(feature = "sigv4a") {
            for (words, why) in [
                ("us-west-2 path", "forcepathstyle cannot be used with multi-region"),
                ("us-west-2 accelerate", "accelerate cannot be used with multi-region"),
                ("us-west-2 dual", "usedualstack cannot be used with multi-region"),
                ("us-west-2 fips", "usefipsendpoint cannot be used with multi-region"),
                ("https://s3.example", HOSTS_OF_AWS),
                (VPCE, HOSTS_OF_AWS),
            ] {
                let error = found(words, MULTI).unwrap_err();
                assert!(error.message().contains(why), "{words}: {error}");
            }
            assert!(found("us-west-1", &MULTI.replace("aws", "aws-cn")).is_err());
        }
    }

    /// Names that an access point does not have.
    const NOT_NAMES: &[&str] = &[
        "",
        "ab",
        ".",
        "..",
        "a.b",
        "A",
        "Reports",
        "re_ports",
        "-reports",
        "reports-",
        "a b c",
        "rep%2forts",
        "rep%00orts",
        "r\u{e9}ports",
        "rep\0rts",
        "rep\r\nhost: x",
        "*",
        "reports#",
        "reports?x",
        "reports@x",
        "reports:more",
        "reports/object/key",
        "../reports",
        "x.mrap",
    ];
    /// ARNs that are not those of access points, and names that directory buckets do not have.
    const NOT_BUCKETS: &[&str] = &[
        "arn:",
        "arn:aws",
        "arn:aws:s3",
        "arn:aws:s3:us-west-2:123456789012",
        "arn:aws:s3:us-west-2:123456789012:",
        "arn:aws:s3:::reports",
        "arn:aws:s3:::a/b",
        "arn:aws:sqs:us-west-2:123456789012:accesspoint/reports",
        "arn:aws:not-s3:us-west-2:123456789012:accesspoint/reports",
        "arn:aws:s3express:us-west-2:123456789012:bucket/a--usw2-az1--x-s3",
        "arn::s3:us-west-2:123456789012:accesspoint/reports",
        "arn:evil:s3:us-west-2:123456789012:accesspoint/reports",
        "arn:AWS:s3:us-west-2:123456789012:accesspoint/reports",
        "arn:aws:S3:us-west-2:123456789012:accesspoint/reports",
        "arn:aws:s3:us-west-2::accesspoint/reports",
        "arn:aws:s3:us-west-2:12345678901:accesspoint/reports",
        "arn:aws:s3:us-west-2:1234567890123:accesspoint/reports",
        "arn:aws:s3:us-west-2:12345678901a:accesspoint/reports",
        "arn:aws:s3:us-west-2:123456_89012:accesspoint/reports",
        "arn:aws:s3:us-west -2:123456789012:accesspoint/reports",
        "arn:aws:s3:us-west-2.evil.example/:123456789012:accesspoint/reports",
        "arn:aws:s3:us_west_2:123456789012:accesspoint/reports",
        "arn:aws:s3:US-WEST-2:123456789012:accesspoint/reports",
        "arn:aws:s3:cn-north-1:123456789012:accesspoint/reports",
        "arn:aws-cn:s3:us-west-2:123456789012:accesspoint/reports",
        "arn:aws:s3:us-west-2:123456789012:bucket/reports",
        "arn:aws:s3:us-west-2:123456789012:accesspoint",
        "arn:aws:s3-object-lambda::123456789012:accesspoint/reports",
        "arn:aws:s3-outposts:us-west-2:123456789012:outpost",
        "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1",
        "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/bucket/reports",
        "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/reports/object/a",
        "ARN:aws:s3:us-west-2:123456789012:accesspoint/reports",
        "base--x-s3",
        "--usw2-az1--x-s3",
        "base--usaz1--x-s3",
        "base---az1--x-s3",
        "my.base--usw2-az1--x-s3",
        "Base--usw2-az1--x-s3",
        "base--usw2_az1--x-s3",
        "base--usw2-az1.evil--x-s3",
        "base--USW2-AZ1--xa-s3",
        "base--usw2-az1---x-s3",
    ];

    #[test]
    fn no_bucket_argument_changes_the_host() {
        let point = |name: &str| format!("arn:aws:s3:us-west-2:123456789012:accesspoint/{name}");
        let outpost = |id: &str| {
            format!("arn:aws:s3-outposts:us-west-2:123456789012:outpost/{id}/accesspoint/reports")
        };
        let multi = |alias: &str| format!("arn:aws:s3::123456789012:accesspoint/{alias}");
        let mut refused: Vec<String> = NOT_NAMES.iter().map(|name| point(name)).collect();
        refused.extend(["", "op", "op_1", "OP-1", "op-1.evil", "op-1-", "x/y", ".."].map(outpost));
        refused.extend(["", ".mrap", "a.b.mrap", "A.mrap", "-a.mrap", "a", "a.mrap/x"].map(multi));
        refused.extend(NOT_BUCKETS.iter().map(|&bucket| bucket.to_owned()));
        refused.extend([point(&"a".repeat(51)), point(&"a/".repeat(500))]);
        refused.push(format!("{}--usw2-az1--x-s3", "b".repeat(60)));
        for bucket in &refused {
            for words in
                ["us-west-2", "http://127.0.0.1:9000", "https://s3.us-west-2.amazonaws.com"]
            {
                let error = found(words, bucket).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{words} {bucket}");
                let text = error.to_string();
                assert!(text.starts_with("invalid bucket name provided: "), "{bucket}: {text}");
                assert!(!text.contains(char::is_control) && text.len() < 700, "{bucket}: {text}");
            }
        }
    }
}
