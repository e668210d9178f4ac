//! URLs from which a client downloads without the registry.
use super::data::bytes;
use super::trial::{Outcome, Stop, Trial, equal, failed};
use super::{HttpResponse, Quirk};
use crate::driver::{Method, UrlOptions};
use crate::error::ErrorKind;
use std::time::Duration;

/// Returns a URL, or skips the case.
fn url(trial: &Trial<'_>, path: &str, method: Method) -> Outcome<String> {
    let options = UrlOptions::new(method).expires_in(Duration::from_secs(60));
    match trial.driver.url_for(path, &options) {
        Err(error) if error.kind() == ErrorKind::UnsupportedMethod => {
            Err(Stop::Skipped("the driver does not create URLs".to_owned()))
        }
        url => Ok(url?),
    }
}

fn fetched(trial: &Trial<'_>, method: Method, url: &str) -> Outcome<HttpResponse> {
    match &trial.options.fetch {
        Some(fetch) => Ok(fetch(method, url)?),
        None => Err(Stop::Skipped("the suite was given no function that fetches URLs".to_owned())),
    }
}

fn serves(trial: &Trial<'_>, path: &str) -> Outcome {
    let content = bytes(path.len() as u64, 0, 32);
    trial.driver.put_content(path, &content)?;
    let got = fetched(trial, Method::Get, &url(trial, path, Method::Get)?)?;
    equal(&format!("the response to a GET of {path}"), (got.status, got.body), (200, content))?;
    let got = fetched(trial, Method::Head, &url(trial, path, Method::Head)?)?;
    equal(
        &format!("the response to a HEAD of {path}"),
        (got.status, got.content_length),
        (200, Some(32)),
    )
}

cases! {
    /// The URL for a GET returns the content, and the URL for a HEAD its length.
    fn urls_serve_the_content(trial) {
        serves(trial, "/url/file")?;
    }

    /// URLs of every legal name return the content.
    fn urls_of_odd_names_serve_the_content(trial) {
        for path in ["/url/.abc", "/url/a-.b", "/url/_/--/..a", "/url/A.B_C-D/...", "/url/0"] {
            serves(trial, path)?;
        }

        trial.skip_on(Quirk::NoDotComponents)?;
        for path in ["/url/./x", "/url/../x"] {
            serves(trial, path)?;
        }
    }

    /// A URL is created without accessing the store, and the URL of a missing file returns 404.
    fn urls_of_missing_files_return_404(trial) {
        let got = fetched(trial, Method::Get, &url(trial, "/url/missing", Method::Get)?)?;
        equal("the status", got.status, 404)?;
    }

    /// A URL is valid only for its method, and there are no URLs for methods that change something.
    fn urls_are_for_downloads(trial) {
        trial.driver.put_content("/url/file", b"content")?;
        let get = url(trial, "/url/file", Method::Get)?;
        for method in [Method::Put, Method::Post, Method::Patch, Method::Delete, Method::Options] {
            match trial.driver.url_for("/url/file", &UrlOptions::new(method)) {
                Err(error) if error.kind() == ErrorKind::UnsupportedMethod => {}
                other => {
                    return Err(failed(format!("no URL for {method:?}"), format!("{other:?}")));
                }
            }
        }

        trial.skip_on(Quirk::UncheckedUrls)?;
        let got = fetched(trial, Method::Delete, &get)?;
        equal("whether a DELETE of a GET's URL succeeds", got.status < 400, false)?;
        trial.content_is("/url/file", b"content")?;
    }

    /// The lifetime of a URL is rounded down to what the store can express, and refused if that is
    /// zero.
    fn urls_do_not_outlive_their_lifetime(trial) {
        trial.driver.put_content("/url/file", b"content")?;
        let asked = |millis| UrlOptions::new(Method::Get).expires_in(Duration::from_millis(millis));
        url(trial, "/url/file", Method::Get)?;
        // A lifetime that was rounded up would have one digit more.
        for millis in [1_500, 9_999, 99_999, 999_999] {
            let whole = trial.driver.url_for("/url/file", &asked(millis - millis % 1_000))?;
            let rounded = trial.driver.url_for("/url/file", &asked(millis))?;
            equal("the length of the URL", rounded.len(), whole.len())?;
        }

        let none = trial.driver.url_for("/url/file", &asked(999));
        equal("whether a URL is made for less than a second", none.is_ok(), false)?;
        let got = fetched(trial, Method::Get, &trial.driver.url_for("/url/file", &asked(60_500))?)?;
        equal("the status", got.status, 200)?;
    }
}
