//! The findings as a table and as JSON.
use super::finding::{Finding, Verdict};
use crate::failure::Outcome;
use crate::text::shown;
use crate::tool::Tool;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Prints the findings in the order of the checks, and the number of findings of each kind.
pub(super) fn print(tool: &Tool, findings: &[Finding]) -> Outcome {
    tool.output.report(|| table(findings), || document(findings))
}

fn table(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    let mut not_reached = BTreeMap::<&str, Vec<&str>>::new();
    for finding in findings {
        if let Verdict::NotReached(needed) = finding.verdict {
            not_reached.entry(needed).or_default().push(finding.name);
            continue;
        }
        let (word, found) = words(&finding.verdict);
        lines.push(format!("{word:<11} {:<26} {}", finding.name, shown(&found)));
        if let Some(remedy) = remedy(&finding.verdict) {
            lines.push(format!("{:<38} -> {}", "", shown(remedy)));
        }
    }
    // A long row of checks would hide the one that failed.
    lines.extend(not_reached.into_iter().map(|(needed, names)| {
        format!("{:<11} {:<26} {}", "not reached", format!("because of {needed}"), names.join(", "))
    }));
    lines.push(summary(findings));
    lines.join("\n")
}

/// Returns the word for a verdict, and a description of what was found.
fn words(verdict: &Verdict) -> (&'static str, String) {
    match verdict {
        Verdict::Passed(found) => ("ok", found.clone()),
        Verdict::Notice(advice) => ("notice", advice.found.clone()),
        Verdict::Fault(advice) => ("FAULT", advice.found.clone()),
        Verdict::NotUsed(why) => ("not used", (*why).to_owned()),
        Verdict::NotOffered(why) => ("not offered", (*why).to_owned()),
        Verdict::NotReached(needed) => ("not reached", format!("because of: {needed}")),
    }
}

fn remedy(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Notice(advice) | Verdict::Fault(advice) => Some(&advice.remedy),
        _ => None,
    }
}

fn summary(findings: &[Finding]) -> String {
    let count =
        |is: fn(&Verdict) -> bool| findings.iter().filter(|finding| is(&finding.verdict)).count();
    let counted = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    format!(
        "{} ok, {}, {}, {} not reached",
        count(|verdict| matches!(verdict, Verdict::Passed(_))),
        counted(count(|verdict| matches!(verdict, Verdict::Notice(_))), "notice"),
        counted(count(|verdict| matches!(verdict, Verdict::Fault(_))), "fault"),
        count(|verdict| matches!(verdict, Verdict::NotReached(_))),
    )
}

fn document(findings: &[Finding]) -> Value {
    let checks: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let (word, found) = words(&finding.verdict);
            let because = match &finding.verdict {
                Verdict::NotReached(needed) => Some(*needed),
                _ => None,
            };
            json!({
                "check": finding.name,
                "result": word.to_lowercase().replace(' ', "_"),
                "found": found,
                "remedy": remedy(&finding.verdict),
                "action": finding.action,
                "because": because,
            })
        })
        .collect();
    let healthy = !findings.iter().any(Finding::is_fault);
    json!({ "healthy": healthy, "checks": checks })
}
