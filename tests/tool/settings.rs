//! Tests of where the configuration comes from.

use crate::rig::{Rig, Run, text};
use crate::support::target::Target;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

/// Returns a registry's configuration for a target, with a root directory.
fn config(target: &Target, root: &str) -> String {
    let options: Vec<_> = target
        .pairs(root)
        .into_iter()
        .map(|(name, value)| format!("    {name}: \"{value}\"\n"))
        .collect();
    format!("version: 0.1\nstorage:\n  s3:\n{}http:\n  addr: :5000\n", options.concat())
}

#[test]
fn the_file_comes_first_then_options_then_the_environment() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "sources");
    rig.put("x", b"content");
    let url = rig.url("x");
    let file = rig.file("config.yml", config(&target, "").as_bytes());
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = rig.bare();
        command.args(arguments).envs(variables.iter().copied());
        Run::of(command.output().unwrap())
    };
    let wrong_keys =
        [("AWS_ACCESS_KEY_ID", "AKIDOTHER"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];

    // The keys and the endpoint of the file take precedence over the environment.
    assert_eq!(run(&["cat", &url, "--config", &file], &wrong_keys).stdout, "content");
    let in_bucket = format!("s3:///{}", rig.key("x"));
    assert_eq!(run(&["cat", &in_bucket, "--config", &file], &[]).stdout, "content");
    // An option of the command line replaces the option of the file.
    let replaced =
        ["cat", &url, "--config", &file, "--endpoint", "http://127.0.0.1:1", "-o", "maxretries=0"];
    assert_eq!(run(&replaced, &[]).code, Some(6));
    // The environment supplies the settings that no option gives.
    let signature = format!(
        "v4auth={}",
        target.pairs("").iter().any(|pair| pair == &("v4auth", "true".to_owned()))
    );
    let surroundings = [("AWS_ENDPOINT_URL", &*target.endpoint), ("AWS_REGION", &*target.region)];
    let without = ["cat", &url, "-o", &signature];
    assert_eq!(run(&without, &surroundings).stdout, "content");
    // A profile also supplies these settings, and takes precedence over keys in variables.
    fs::create_dir(rig.path(".aws")).unwrap();
    let profile = format!(
        "[profile ours]\nregion = {}\nendpoint_url = {}\naws_access_key_id = \
         {}\naws_secret_access_key = {}\n",
        target.region, target.endpoint, target.access_key, target.secret_key
    );
    rig.file(".aws/config", profile.as_bytes());
    let chosen = [&without[..], &["--profile", "ours"]].concat();
    let run = run(&chosen, &[("AWS_ACCESS_KEY_ID", "AKIDOTHER")]);
    assert_eq!((run.code, &*run.stdout), (Some(0), "content"), "{}", run.stderr);
}

/// The endpoint is found by the rules of AWS's SDKs.
#[test]
fn the_endpoint_may_be_in_a_section_of_services_or_ignored() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "services");
    rig.put("x", b"content");
    let url = rig.url("x");
    let right = &target.endpoint;
    let wrong = "http://127.0.0.1:1";
    rig.file(
        ".aws/config",
        format!(
            "[profile ours]\nregion = {}\nendpoint_url = {wrong}\nservices = local\n\
             aws_access_key_id = {}\naws_secret_access_key = {}\n\
             [profile lost]\nservices = missing\n\
             [services local]\ns3 =\n  endpoint_url = {right}\n",
            target.region, target.access_key, target.secret_key
        )
        .as_bytes(),
    );
    let signature = target.pairs("").iter().any(|pair| pair == &("v4auth", "true".to_owned()));
    let signature = format!("v4auth={signature}");
    let run = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = rig.bare();
        command.args(["cat", &url, "-o", &signature, "-o", "maxretries=0"]).args(arguments);
        command.envs(variables.iter().copied());
        Run::of(command.output().unwrap())
    };
    let run_of_profile = run(&["--profile", "ours"], &[]);
    assert_eq!((run_of_profile.code, &*run_of_profile.stdout), (Some(0), "content"));

    // An option is not a configured URL, and is not ignored.
    let ignored = [
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ("AWS_ENDPOINT_URL_S3", wrong),
        ("AWS_REGION", &*target.region),
    ];
    assert_eq!(run(&["--endpoint", right], &ignored).stdout, "content");
    let mut presign = rig.bare();
    presign.args(["presign", &url]).envs(ignored);
    let presigned = Run::of(presign.output().unwrap());
    assert_eq!(presigned.code, Some(0), "{}", presigned.stderr);
    assert!(presigned.stdout.contains(".amazonaws.com"), "{}", presigned.stdout);

    let switch = run(&[], &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "maybe")]);
    assert_eq!(switch.code, Some(2), "{}", switch.stderr);
    let words = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
    assert!(switch.stderr.contains(words), "{}", switch.stderr);
    let missing = run(&["--profile", "lost"], &[("AWS_REGION", "us-east-1")]);
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
}

#[test]
fn variables_of_a_registry_that_are_not_applied_are_named() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "variables");
    let file = rig.file("config.yml", config(&target, "").as_bytes());
    let run = |arguments: &[&str]| {
        let mut command = rig.bare();
        command.args(arguments).env("REGISTRY_STORAGE_S3_BUCKET", "hidden");
        command.env("REGISTRY_MIDDLEWARE_STORAGE_0_NAME", "hidden").env("REGISTRY_PORT", "1");
        Run::of(command.output().unwrap())
    };
    let names = "REGISTRY_MIDDLEWARE_STORAGE_0_NAME, REGISTRY_STORAGE_S3_BUCKET";
    let policy = run(&["policy", "--config", &file]);
    assert_eq!(policy.code, Some(0), "{}", policy.stderr);
    assert!(policy.stderr.contains(names) && !policy.stderr.contains("hidden"));
    assert!(!policy.stderr.contains("REGISTRY_PORT"), "{}", policy.stderr);
    let doctor = run(&["doctor", "--config", &file]);
    let line = doctor.stdout.lines().find(|line| line.contains("configuration")).unwrap();
    assert!(line.starts_with("notice") && line.contains(names), "{line}");
    // Without a file, the variables do not concern the tool.
    let without = run(&["policy", &rig.url(""), "--region", "us-east-1"]);
    assert_eq!(&*without.stderr, "");
}

#[test]
fn a_wrong_configuration_is_named() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "wrong");
    let swapped = "storage:\n  s3:\n    bucket: bbb\n    region: eu-central-1\n    accesskey: \
                   wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n    secretkey: AKIAIOSFODNN7EXAMPLE\n";
    for (text, expected) in [
        ("storage: {", "config.yml: "),
        ("version: 0.1", "no S3 driver in its section storage"),
        ("storage:\n  inmemory:\n", "no S3 driver in its section storage"),
        ("storage:\n  s3:\n    bucket: bbb\n    region: [eu-central-1, b]\n", "region"),
        ("storage:\n  s3:\n    bucket: bbb\n    regoin: eu-central-1\n", "did you mean region?"),
        ("storage:\n  s3:\n    bucket: bbb\n    bucket: c\n", "bucket is given twice"),
        ("storage:\n  s3: &a\n    bucket: bbb\nmiddleware: *a\n", "line 4 uses an alias"),
        (swapped, "accesskey and secretkey are swapped"),
    ] {
        let file = rig.file("config.yml", text.as_bytes());
        let mut command = rig.bare();
        let run = Run::of(command.args(["ls", "s3://bbb/", "--config", &file]).output().unwrap());
        assert_eq!(run.code, Some(2), "{text}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{text}: {}", run.stderr);
        assert!(!run.stderr.contains("wJalr"), "{}", run.stderr);
    }
    let folder = text(rig.folder.path());
    assert_eq!(rig.run(&["ls", "s3://b/", "--config", &folder]).code, Some(1));
    assert!(rig.fails(2, &["ls", "s3:///x"]).contains("no bucket is named"));
}

/// Text that has the form of a secret key.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

#[test]
fn a_chosen_profile_takes_precedence_over_roles_in_variables() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "profile");
    rig.put("x", b"content");
    let profile = format!(
        "[profile ours]\nregion = {}\nendpoint_url = {}\naws_access_key_id = \
         {}\naws_secret_access_key = {}\n[profile role]\nrole_arn = arn:aws:iam::1:role/r\n\
         credential_source = Environment\nregion = us-east-1\n",
        target.region, target.endpoint, target.access_key, target.secret_key
    );
    rig.file(".aws/config", profile.as_bytes());
    let signature = format!(
        "v4auth={}",
        target.pairs("").iter().any(|pair| pair == &("v4auth", "true".to_owned()))
    );
    let token = rig.file("token", b"not a token");
    let run = |profile: &str| {
        let mut command = rig.bare();
        command.args(["cat", &rig.url("x"), "--profile", profile, "-o", &signature]);
        command.args(["-o", "maxretries=0", "--region", &target.region]);
        command.args(["--endpoint", &target.endpoint]);
        command.env("AWS_ACCESS_KEY_ID", "AKIDOTHER").env("AWS_ACCESS_KEY", "AKIDOTHER");
        command.env("AWS_SECRET_KEY", "other").env("AWS_PROFILE", "another");
        command.env("AWS_WEB_IDENTITY_TOKEN_FILE", &token);
        command.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/other");
        command.env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1");
        Run::of(command.output().unwrap())
    };
    let found = run("ours");
    assert_eq!((found.code, &*found.stdout), (Some(0), "content"), "{}", found.stderr);
    let missing = run("no-such-profile");
    assert_eq!(missing.code, Some(4), "{}", missing.stderr);
    assert!(missing.stderr.contains("no-such-profile"), "{}", missing.stderr);
    // A profile can refer to the keys in variables.
    let role = run("role");
    assert!(role.stderr.contains("127.0.0.1:1"), "{}", role.stderr);
}

#[test]
fn explain_uses_the_keys_that_are_given_or_says_why_it_cannot() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "keys");
    let url = "https://bucket.s3.eu-west-1.amazonaws.com/key";
    let run = |more: &[&str]| {
        let mut command = rig.bare();
        command.args(["explain", "GET", url, "-H", "x-amz-date: 20260101T000000Z"]);
        Run::of(command.args(more).output().unwrap())
    };
    // The steps end with the beginning of the signature, which depends on the secret key.
    let own = run(&[]);
    assert_eq!(own.code, Some(0), "{}", own.stderr);
    let given = run(&["-o", "accesskey=AKIDGIVEN", "-o", "secretkey=given"]);
    assert_eq!(given.code, Some(0), "{}", given.stderr);
    assert_ne!(given.stdout, own.stdout);
    let same = format!("secretkey={}", target.secret_key);
    assert_eq!(run(&["-o", "accesskey=AKIDGIVEN", "-o", &same]).stdout, own.stdout);
    let broken = rig.file("config.yml", b"storage:\n  s3:\n    bucket: bbb\n    regoin: x\n");
    for (more, expected) in [
        (&["-o", "accesskey=AKIDGIVEN"][..], "secretkey"),
        (&["-o", "accesskey=A", "-o", "secretkey=S", "-o", "regoin=x"], "did you mean region?"),
        (&["--config", &broken], "did you mean region?"),
    ] {
        let run = run(more);
        assert_eq!((run.code, &*run.stdout), (Some(2), ""), "{more:?}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{more:?}: {}", run.stderr);
    }
}

#[test]
fn a_secret_in_a_wrong_place_is_not_repeated() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "secret");
    let with = |before: &str| format!("{before}{SECRET}");
    let (pair, colon, lone) = (with("secretkey="), with("secretkey:"), with(""));
    let twice = format!("{SECRET}=");
    let (unknown, expiry) = (with("--x="), with("--expires="));
    for (arguments, expected) in [
        (vec!["ls", "s3://b/", "-o", &colon], "option 1, secretkey, is not written"),
        (vec!["ls", "s3://b/", "-o", "a=b", "-o", &lone], "option 2 is not written"),
        (vec!["ls", "s3://b/", "-o", &twice, "-o", &twice], "is given twice"),
        (vec!["ls", "s3://b/", "-o", "accesskey=A", &pair], "write -o before it"),
        (vec!["cp", "-o", "accesskey=A", &pair, "s3://b/k"], "write -o before it"),
        (vec!["cp", &colon, "s3://b/k", "--json"], "write -o before it"),
        (vec!["ls", &lone], "a location in S3 is written"),
        (vec!["ls", "s3://b/", &lone], "unexpected argument"),
        (vec!["ls", "s3://b/", &unknown], "unexpected argument"),
        (vec!["presign", "s3://b/k", &expiry], "--expires"),
        (vec!["presign", "s3://b/k", "--method", &lone], "--method"),
        (vec!["verify", "--threads", &lone], "is not a number"),
        (vec![&lone], "unrecognized subcommand"),
        (vec!["ls", "s3://b/", "--regoin", "x"], "'--regoin'"),
        (vec!["copy", "a"], "'copy'"),
    ] {
        let run = Run::of(rig.bare().args(&arguments).output().unwrap());
        assert_eq!((run.code, &*run.stdout), (Some(2), ""), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{arguments:?}: {}", run.stderr);
        assert!(!run.stderr.contains(&SECRET[..8]), "{arguments:?}: {}", run.stderr);
    }
}

/// Keys from a web identity come from STS, whose endpoint is chosen by the options of the driver.
#[test]
fn the_options_of_the_driver_choose_the_endpoint_of_sts() {
    let target = Target::all().remove(0);
    let rig = Rig::new(&target, "sts");
    let token = rig.file("token", b"eyJhbGciOiJub25lIn0.e30.");
    for (options, host) in [
        (&[][..], "sts.eu-west-1.amazonaws.com"),
        (&["-o", "usefipsendpoint=true"], "sts-fips.eu-west-1.amazonaws.com"),
        (&["-o", "usedualstack=true"], "sts.eu-west-1.api.aws"),
    ] {
        let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = proxy.local_addr().unwrap();
        let asked = thread::spawn(move || {
            let (mut client, _) = proxy.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&client).read_line(&mut line).unwrap();
            client.write_all(b"HTTP/1.1 403 X\r\ncontent-length: 0\r\n\r\n").unwrap();
            line
        });
        let mut command = rig.bare();
        command.args(["ls", "s3://bucket/", "--region", "eu-west-1", "-o", "maxretries=0"]);
        command.args(["-o", &format!("proxy=http://{address}")]).args(options);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.env("AWS_WEB_IDENTITY_TOKEN_FILE", &token);
        command.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/registry");
        assert_ne!(Run::of(command.output().unwrap()).code, Some(0));
        let line = asked.join().unwrap();
        assert!(line.starts_with(&format!("CONNECT {host}:443 ")), "{line}");
    }
}
