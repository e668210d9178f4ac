//! Plants a secret in every variable, setting, file and argument of the credential sources, and
//! checks that no error shows any part of it.

use super::server::{Server, reply};
use super::{context, recording_observer};
use crate::planting::{assert_hidden, secrets};
use s3driver::credentials::{
    AssumeRole, Chain, Credentials, Environment, Process, Role, SharedFiles, Source, Static,
    WebIdentity,
};
use std::path::Path;

/// The environment variables that the sources read, from AWS's settings reference.
const VARIABLES: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_SSO",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_V1_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "HOME",
];

/// The settings of a profile, from AWS's settings reference.
const SETTINGS: &[&str] = &[
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "role_arn",
    "source_profile",
    "credential_source",
    "web_identity_token_file",
    "role_session_name",
    "external_id",
    "duration_seconds",
    "mfa_serial",
    "credential_process",
    "sso_session",
    "sso_start_url",
    "sso_region",
    "sso_account_id",
    "sso_role_name",
    "region",
    "ec2_metadata_service_endpoint",
    "ec2_metadata_service_endpoint_mode",
    "ec2_metadata_v1_disabled",
];

/// Starts a server that refuses every request and repeats it in the response.
fn echo() -> Server {
    Server::start(|request| {
        let headers: String =
            request.headers.iter().map(|(name, value)| format!("{name}: {value} ")).collect();
        let said = format!("{headers} {}", request.body).replace('&', " ");
        if request.header("accept").is_some() {
            return reply(
                403,
                format!(r#"{{"code":"Refused","message":"{}"}}"#, said.replace('"', "'")),
            );
        }
        reply(
            403,
            format!(
                "<ErrorResponse><Error><Code>Refused</Code><Message>{said}</Message></Error></ErrorResponse>"
            ),
        )
    })
}

fn assert_source_hides(source: &dyn Source, secret: &str, what: &str) {
    assert_hidden(&format!("{source:?}"), secret, what);
    if let Err(reason) = source.fetch() {
        assert_hidden(&reason.to_string(), secret, what);
        assert_hidden(&format!("{reason:?}"), secret, what);
    }
}

#[test]
fn p03_a_secret_in_any_variable_is_not_shown() {
    let server = echo();
    let url = server.url();
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join("token");
    std::fs::write(&token, "web-identity").unwrap();
    let token = token.to_str().unwrap();
    let nothing = [
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_STS", &*url),
        ("HOME", home.path().to_str().unwrap()),
    ];
    // The other variables are unset, or such that a source sends a request.
    let around: [&[(&str, &str)]; 5] = [
        &[],
        &[("AWS_WEB_IDENTITY_TOKEN_FILE", token), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")],
        &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)],
        &[("AWS_ACCESS_KEY_ID", "AKID")],
        &[("AWS_SECRET_ACCESS_KEY", "another")],
    ];
    for variable in VARIABLES {
        for (form, secret) in secrets() {
            for more in around {
                let given =
                    nothing.iter().chain(more).copied().filter(|(name, _)| name != variable);
                let given: Vec<_> = given.chain([(*variable, secret.as_str())]).collect();
                let (observer, warnings) = recording_observer();
                let context = context(&given).with_observer(observer);
                assert_hidden(&format!("{context:?}"), &secret, variable);
                assert_source_hides(
                    &Chain::new(&context),
                    &secret,
                    &format!("{form} as {variable}"),
                );
                for warning in &*warnings.lock().unwrap() {
                    assert_hidden(&warning.to_string(), &secret, variable);
                }
            }
        }
    }
}

fn files(home: &Path, config: &str, credentials: &str) {
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    std::fs::write(home.join(".aws/config"), config).unwrap();
    std::fs::write(home.join(".aws/credentials"), credentials).unwrap();
}

#[test]
fn p03_a_secret_in_any_setting_of_a_file_is_not_shown() {
    let server = echo();
    let home = tempfile::tempdir().unwrap();
    let around = [
        "",
        "aws_access_key_id = AKID\naws_secret_access_key = another\n",
        "role_arn = arn:aws:iam::1:role/r\nsource_profile = base\n",
        "role_arn = arn:aws:iam::1:role/r\ncredential_source = Ec2InstanceMetadata\n",
        "sso_start_url = https://login\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name \
         = r\n",
    ];
    let variables = [
        ("HOME", home.path().to_str().unwrap().to_owned()),
        ("AWS_ENDPOINT_URL_STS", server.url()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1".to_owned()),
    ];
    for setting in SETTINGS {
        for (form, secret) in secrets() {
            let what = format!("{form} as {setting}");
            for more in around {
                let more: String = more
                    .lines()
                    .filter(|line| !line.starts_with(setting))
                    .map(|l| l.to_owned() + "\n")
                    .collect();
                for line in [
                    format!("{setting} = {secret}"),
                    format!("{setting} = \"{secret}\""),
                    format!("  {setting}: {secret}"),
                ] {
                    let base = "[profile base]\naws_access_key_id = B\naws_secret_access_key = b\n";
                    files(home.path(), &format!("{base}[default]\n{more}{line}\n"), "");
                    let context =
                        context(&[]).with_environment(Environment::from_pairs(variables.clone()));
                    assert_source_hides(&SharedFiles::new(&context), &secret, &what);
                }
            }
        }
    }
}

#[test]
fn p03_a_secret_that_breaks_a_file_is_not_shown() {
    let home = tempfile::tempdir().unwrap();
    for (form, secret) in secrets() {
        let name = secret.lines().next_back().unwrap();
        for config in [
            secret.clone(),
            format!("[default]\n{secret}"),
            format!("[default]\n= {secret}"),
            format!("[{secret}"),
            format!("[profile {name}]\n{secret}"),
            format!("[profile a]\ns3 =\n  {secret}"),
            format!(
                "[default]\nrole_arn = a\nsource_profile = {name}\n[profile {name}]\nrole_arn = \
                 b\nsource_profile = {name}\n"
            ),
        ] {
            files(home.path(), &config, &config);
            let context = context(&[("HOME", home.path().to_str().unwrap())]);
            assert_source_hides(&SharedFiles::new(&context), &secret, form);
            assert_source_hides(&SharedFiles::with_profile(&context, &*secret), &secret, form);
        }
    }
}

#[test]
fn p03_a_secret_in_any_argument_of_a_source_is_not_shown() {
    let server = echo();
    let context = context(&[("AWS_ENDPOINT_URL_STS", &server.url()), ("AWS_REGION", "us-east-1")]);
    for (form, secret) in secrets() {
        assert_source_hides(&Process::new(&*secret, &context), &secret, form);
        assert_source_hides(&Process::new(format!("{secret} --flag"), &context), &secret, form);
        assert_source_hides(
            &Process::new(format!("/bin/false --key {}", secret.replace('\n', " ")), &context),
            &secret,
            form,
        );
        let mut role = Role::new(&*secret);
        role.external_id = Some(secret.clone());
        let keys = Credentials::new("AKID", &*secret).with_session_token(secret.replace('\n', ""));
        assert_hidden(&format!("{role:?}"), &secret, form);
        let base = || Box::new(Static::new(keys.clone()));
        assert_source_hides(&AssumeRole::new(&context, base(), role.clone()), &secret, form);
        assert_source_hides(&WebIdentity::with_role(&context, role, &*secret), &secret, form);
    }
}

#[test]
fn p04_secrets_that_a_service_repeats_are_not_shown() {
    let server = echo();
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("token");
    for (form, secret) in secrets() {
        let secret = secret.replace('\n', " ").trim().to_owned();
        std::fs::write(&path, &secret).unwrap();
        let path = path.to_str().unwrap();
        let url = server.url();
        for variables in [
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &*url),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", &secret),
            ][..],
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path),
            ],
            &[
                ("AWS_WEB_IDENTITY_TOKEN_FILE", path),
                ("AWS_ROLE_ARN", "r"),
                ("AWS_ENDPOINT_URL_STS", &url),
            ],
        ] {
            let before = server.requests().len();
            assert_source_hides(&Chain::new(&context(variables)), &secret, form);
            assert!(server.requests().len() > before, "{form} was never sent");
        }
    }
}
