//! Lists of tags and of repositories, page by page.
use super::failure::{Code, Failure};
use super::http::{Request, Response, number};
use super::names::{Name, Tag};
use super::{Outcome, Registry, encode, found, json, layout, parameter};
use s3driver::driver::{WalkOptions, WalkStep};
use serde_json::json;

/// The maximum number of entries in a page, which is also the default.
const PAGE: usize = 1_000;

impl Registry {
    /// Handles GET of the tags of a repository.
    pub(super) fn tags(&self, name: &Name, request: &Request<'_>) -> Outcome {
        let paths = found(self.driver.list(&layout::tags(name)))?;
        // A folder that only contains other repositories is not one.
        let exists = || -> Outcome<bool> {
            let children = found(self.driver.list(&layout::repository(name)))?;
            Ok(children.iter().flatten().any(|path| path.contains("/_")))
        };
        if paths.is_none() && !exists()? {
            return Err(Failure::new(
                Code::NameUnknown,
                "the registry does not have this repository",
            ));
        }
        let (limit, last) = page(request)?;
        let mut tags: Vec<String> = paths
            .unwrap_or_default()
            .iter()
            .filter_map(|path| path.rsplit('/').next().and_then(Tag::parse))
            .map(|tag| tag.to_string())
            .filter(|tag| last.as_ref().is_none_or(|last| tag > last))
            .collect();
        tags.sort_unstable();
        let more = tags.len() > limit;
        tags.truncate(limit);
        let next = next(&format!("/v2/{name}/tags/list"), limit, tags.last().filter(|_| more));
        Ok(with_link(json(200, &json!({ "name": name.to_string(), "tags": tags })), next))
    }

    /// Handles GET of the repositories, in the storage's order of their paths.
    pub(super) fn catalog(&self, request: &Request<'_>) -> Outcome {
        let (limit, last) = page(request)?;
        let mut options = WalkOptions::default();
        if let Some(last) = &last {
            options.start_after = Some(layout::manifests(&Name::parse(last)?));
        }
        let mut names: Vec<String> = Vec::new();
        let mut more = false;
        let walked = self.driver.walk(layout::REPOSITORIES, &options, &mut |info| {
            let Some((parent, own)) = info.path.rsplit_once('/').filter(|_| info.is_directory())
            else {
                return Ok(WalkStep::Continue);
            };
            if !own.starts_with('_') {
                return Ok(WalkStep::Continue);
            }
            let name =
                parent.strip_prefix(layout::REPOSITORIES).and_then(|name| name.strip_prefix('/'));
            if let Some(name) =
                name.filter(|name| own == "_manifests" && last.as_deref() != Some(name))
            {
                if names.len() == limit {
                    more = true;
                    return Ok(WalkStep::Stop);
                }
                names.push(name.to_owned());
            }
            Ok(WalkStep::SkipDirectory)
        });
        found(walked)?;
        let next = next("/v2/_catalog", limit, names.last().filter(|_| more));
        Ok(with_link(json(200, &json!({ "repositories": names })), next))
    }
}

/// Reads the parameters `n` and `last`.
fn page(request: &Request<'_>) -> Outcome<(usize, Option<String>)> {
    let limit = match parameter(request, "n").filter(|n| !n.is_empty()) {
        None => PAGE,
        Some(text) => {
            let number = number(&text);
            let number = number.ok_or_else(|| {
                Failure::new(Code::SizeInvalid, "the parameter n is not a number")
            })?;
            usize::try_from(number).unwrap_or(PAGE).min(PAGE)
        }
    };
    Ok((limit, parameter(request, "last").filter(|last| !last.is_empty())))
}

fn next(path: &str, limit: usize, last: Option<&String>) -> Option<String> {
    last.map(|last| format!("<{path}?n={limit}&last={}>; rel=\"next\"", encode(last)))
}

pub(super) fn with_link(response: Response, next: Option<String>) -> Response {
    match next {
        Some(next) => response.header("Link", next),
        None => response,
    }
}
