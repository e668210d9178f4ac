//! Checks of keys: the server has to store, list and order them as S3 does.
use super::finding::Verdict;
use super::patient::Patient;
use s3driver::Error;
use s3driver::client::ListObjects;

/// Keys whose characters are encoded in paths, in queries or in XML, in the order of their bytes.
const UNUSUAL: [&str; 6] = ["n/a b+c", "n/a%20b", "n/a&<b>'\"", "n/dir-x/1", "n/dir/1", "n/ü~é"];

/// Stores and lists unusual keys, and compares the listed keys with the stored ones byte for byte.
pub(super) fn unusual_keys(patient: &Patient) -> Verdict {
    let bucket = &patient.bucket;
    for name in UNUSUAL {
        let key = patient.key(name);
        let stored = bucket.client.put_object(&bucket.name, &key, b"x", &bucket.settings);
        if let Err(error) = patient.written(&key, stored) {
            return patient.refused(&error, "s3:PutObject");
        }
    }
    match listed(patient, None) {
        Err(error) => Verdict::failed(&error),
        Ok(mut keys) => {
            keys.sort();
            let wanted = UNUSUAL.map(|name| patient.key(name));
            if keys == wanted {
                return Verdict::passed("keys are stored and listed byte for byte");
            }
            Verdict::fault(
                format!("the keys {wanted:?} are listed as {keys:?}"),
                "check what lies between this machine and the server: it decodes or changes paths",
            )
        }
    }
}

pub(super) fn listing_order(patient: &Patient) -> Verdict {
    match listed(patient, None) {
        Ok(keys) if keys.is_sorted() => Verdict::passed("listings are in the order of bytes"),
        Ok(_) => Verdict::notice(
            "listings are not in the order of bytes",
            "nothing for a registry, whose driver does not depend on it; a walk may need more \
             requests",
        ),
        Err(error) => Verdict::failed(&error),
    }
}

pub(super) fn start_after(patient: &Patient) -> Verdict {
    let Some(first) = UNUSUAL.first().map(|name| patient.key(name)) else {
        return Verdict::NotUsed("there are no keys");
    };
    match listed(patient, Some(&first)) {
        Ok(keys) if !keys.contains(&first) => Verdict::passed("start-after is obeyed"),
        Ok(_) => Verdict::notice(
            "the server ignores start-after",
            "nothing for a registry, whose driver leaves the keys out itself",
        ),
        Err(error) => Verdict::failed(&error),
    }
}

/// Lists the unusual keys on one page, in the server's order.
fn listed(patient: &Patient, after: Option<&str>) -> Result<Vec<String>, Error> {
    let mut request = ListObjects::prefix(patient.key("n/"));
    if let Some(key) = after {
        request = request.start_after(key);
    }
    let page = patient.bucket.client.list_objects(&patient.bucket.name, &request, None)?;
    Ok(page.contents.into_iter().map(|object| object.key).collect())
}
