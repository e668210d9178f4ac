//! The doctor: a table of every check that a registry's storage has to pass, and the examination
//! that runs these checks.
mod certificate;
mod cloudfront;
mod connection;
mod finding;
mod lifecycle;
mod multipart;
mod names;
mod objects;
mod patient;
mod report;

use super::url::Distribution;
use crate::failure::{Exit, Failure, Outcome};
use crate::location::S3Url;
use crate::settings::UNAPPLIED_REMEDY;
use crate::tool::Tool;
use clap::Args;
use finding::{Finding, Verdict};
use patient::Patient;

/// Checks everything that a registry needs of its storage, and names what is wrong and what to do
///
/// Works in a new directory below the root directory, and removes it. Ends with exit code 5
/// when a check failed.
#[derive(Args)]
pub(crate) struct Doctor {
    /// The bucket, s3://bucket; otherwise that of the configuration
    location: Option<S3Url>,
    #[command(flatten)]
    distribution: Distribution,
}

/// One row in the table of checks.
struct Check {
    name: &'static str,
    /// The checks that must pass first. If one of them has failed, this check could only repeat
    /// that failure.
    needs: &'static [&'static str],
    /// The IAM action that the check exercises.
    action: Option<&'static str>,
    run: fn(&Patient) -> Verdict,
}

/// The checks in the order in which they run. A check runs when all the checks that it needs have
/// passed.
const CHECKS: &[Check] = &[
    Check { name: "credentials", needs: &[], action: None, run: connection::credentials },
    Check { name: "host name", needs: &[], action: None, run: connection::host_name },
    Check { name: "tcp", needs: &["host name"], action: None, run: connection::tcp },
    Check { name: "tls", needs: &["credentials", "tcp"], action: None, run: connection::tls },
    Check { name: "certificate", needs: &["tls"], action: None, run: connection::certificate },
    Check { name: "response", needs: &["tls"], action: None, run: connection::response },
    Check { name: "addressing", needs: &["response"], action: None, run: connection::addressing },
    Check { name: "clock", needs: &["addressing"], action: None, run: connection::clock },
    Check { name: "access key", needs: &["clock"], action: None, run: connection::access_key },
    Check { name: "identity", needs: &["access key"], action: None, run: connection::identity },
    Check { name: "signature", needs: &["access key"], action: None, run: connection::signature },
    Check { name: "bucket", needs: &["signature"], action: None, run: connection::bucket },
    Check { name: "region", needs: &["bucket"], action: None, run: connection::region },
    Check { name: "list", needs: &["region"], action: Some("s3:ListBucket"), run: objects::list },
    Check {
        name: "delete",
        needs: &["region"],
        action: Some("s3:DeleteObject"),
        run: objects::delete_missing,
    },
    Check { name: "put", needs: &["region"], action: Some("s3:PutObject"), run: objects::put },
    Check { name: "server time", needs: &["put"], action: None, run: objects::server_time },
    Check { name: "head", needs: &["region"], action: Some("s3:GetObject"), run: objects::head },
    Check { name: "get", needs: &["head"], action: Some("s3:GetObject"), run: objects::get },
    Check { name: "content", needs: &["put", "get"], action: None, run: objects::content },
    Check { name: "checksums", needs: &["put", "get"], action: None, run: objects::checksums },
    Check {
        name: "acl header",
        needs: &["put"],
        action: Some("s3:PutObjectAcl"),
        run: objects::acl_header,
    },
    Check {
        name: "tags",
        needs: &["put"],
        action: Some("s3:PutObjectTagging"),
        run: objects::tags,
    },
    Check { name: "encryption", needs: &["put", "head"], action: None, run: objects::encryption },
    Check {
        name: "storage class",
        needs: &["put", "head"],
        action: None,
        run: objects::storage_class,
    },
    Check {
        name: "copy",
        needs: &["put", "get"],
        action: Some("s3:PutObject"),
        run: objects::copy,
    },
    Check {
        name: "conditional write",
        needs: &["put"],
        action: None,
        run: objects::conditional_write,
    },
    Check {
        name: "unusual keys",
        needs: &["put", "list", "delete"],
        action: None,
        run: names::unusual_keys,
    },
    Check {
        name: "listing order",
        needs: &["unusual keys"],
        action: None,
        run: names::listing_order,
    },
    Check { name: "start-after", needs: &["unusual keys"], action: None, run: names::start_after },
    Check {
        name: "batch delete",
        needs: &["delete", "put"],
        action: Some("s3:DeleteObject"),
        run: objects::batch_delete,
    },
    Check {
        name: "create multipart upload",
        needs: &["put"],
        action: Some("s3:PutObject"),
        run: multipart::create,
    },
    Check {
        name: "upload part",
        needs: &["create multipart upload"],
        action: Some("s3:PutObject"),
        run: multipart::upload_part,
    },
    Check {
        name: "copy part",
        needs: &["upload part", "get"],
        action: Some("s3:GetObject"),
        run: multipart::copy_part,
    },
    Check {
        name: "list parts",
        needs: &["upload part"],
        action: Some("s3:ListMultipartUploadParts"),
        run: multipart::list_parts,
    },
    Check {
        name: "list uploads",
        needs: &["region"],
        action: Some("s3:ListBucketMultipartUploads"),
        run: multipart::list_uploads,
    },
    Check {
        name: "complete multipart upload",
        needs: &["upload part"],
        action: Some("s3:PutObject"),
        run: multipart::complete,
    },
    Check {
        name: "abort multipart upload",
        needs: &["create multipart upload"],
        action: Some("s3:AbortMultipartUpload"),
        run: multipart::abort,
    },
    Check {
        name: "unfinished uploads",
        needs: &["list uploads"],
        action: None,
        run: multipart::unfinished,
    },
    Check {
        name: "lifecycle rule",
        needs: &["region"],
        action: Some("s3:GetLifecycleConfiguration"),
        run: lifecycle::rule,
    },
    Check {
        name: "redirect endpoint",
        needs: &["put"],
        action: None,
        run: cloudfront::redirect_endpoint,
    },
    Check { name: "cloudfront key", needs: &[], action: None, run: cloudfront::key },
    Check {
        name: "cloudfront ip ranges",
        needs: &["cloudfront key"],
        action: None,
        run: cloudfront::ip_ranges,
    },
    Check {
        name: "cloudfront download",
        needs: &["cloudfront key", "put"],
        action: None,
        run: cloudfront::download,
    },
];

impl Doctor {
    pub(crate) fn run(&self, tool: &Tool) -> Outcome {
        let findings = match self.patient(tool) {
            Ok(patient) => {
                let mut findings = vec![configured(tool)];
                findings.extend(examine(tool, &patient));
                findings.push(patient.clean());
                findings
            }
            Err(failure) if failure.exit() == Exit::Usage => misconfigured(&failure),
            Err(failure) => return Err(failure),
        };
        tool.check_interrupted()?;
        report::print(tool, &findings)?;
        let faults = findings.iter().filter(|finding| finding.is_fault()).count();
        if faults == 0 {
            return Ok(());
        }
        Err(Failure::new(Exit::CheckFailed, format!("{faults} of the checks failed")))
    }

    fn patient(&self, tool: &Tool) -> Outcome<Patient> {
        let options = self.distribution.options(tool)?;
        Ok(Patient::new(tool.bucket(self.location.as_ref())?, options))
    }
}

/// The check of the configuration, which comes before all the others.
const CONFIGURATION: &str = "configuration";

fn configured(tool: &Tool) -> Finding {
    let verdict = match tool.settings.unapplied_variables() {
        Some(found) => Verdict::notice(found, UNAPPLIED_REMEDY),
        None => Verdict::passed("the options are valid"),
    };
    Finding { name: CONFIGURATION, action: None, verdict }
}

/// Returns the findings for an unusable configuration, with which no request can be made.
fn misconfigured(failure: &Failure) -> Vec<Finding> {
    let (found, remedy) = failure.parts();
    let remedy = remedy.unwrap_or("correct the option that the message names");
    let fault = Verdict::fault(found, remedy);
    let mut findings = vec![Finding { name: CONFIGURATION, action: None, verdict: fault }];
    findings.extend(CHECKS.iter().map(|check| Finding {
        name: check.name,
        action: check.action,
        verdict: Verdict::NotReached(CONFIGURATION),
    }));
    findings
}

/// Runs the checks in their order, and skips each check that needs a failed one.
fn examine(tool: &Tool, patient: &Patient) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for check in CHECKS {
        if tool.cancel.is_cancelled() {
            break;
        }
        let obstacle = check.needs.iter().find_map(|needed| obstacle(&findings, needed));
        let verdict = obstacle.unwrap_or_else(|| (check.run)(patient));
        findings.push(Finding { name: check.name, action: check.action, verdict });
    }
    findings
}

/// Returns the reason why a check that needs the named one cannot run. The reason is the check that
/// failed, not one that was not reached either.
fn obstacle(findings: &[Finding], needed: &'static str) -> Option<Verdict> {
    match &findings.iter().find(|finding| finding.name == needed)?.verdict {
        Verdict::Passed(_) | Verdict::Notice(_) => None,
        Verdict::Fault(_) => Some(Verdict::NotReached(needed)),
        Verdict::NotReached(root) => Some(Verdict::NotReached(root)),
        Verdict::NotUsed(why) | Verdict::NotOffered(why) => Some(Verdict::NotUsed(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_need_earlier_ones_and_have_names_of_their_own() {
        for (number, check) in CHECKS.iter().enumerate() {
            let earlier: Vec<&str> = CHECKS.iter().take(number).map(|check| check.name).collect();
            assert!(!earlier.contains(&check.name), "{}", check.name);
            for needed in check.needs {
                assert!(earlier.contains(needed), "{} needs {needed}", check.name);
            }
        }
    }
}
