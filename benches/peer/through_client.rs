//! Performs the work through the client, and through `transfer` for files.
use super::order::{BUCKET, Observed, REGION, Setting, Source, at_least_one, big_key, listed_key};
use super::route::{Outcome, Route};
use super::threads;
use s3driver::client::{
    ByteRange, Client, Condition, Config, DELETE_OBJECTS_KEYS, Endpoint, GetObject, ListObjects,
    ObjectSettings, Scheme, UploadRef,
};
use s3driver::observe::{Event, Metrics};
use s3driver::transfer::Transfer;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The size of one read from a connection.
pub(crate) const BLOCK: usize = 256 << 10;

pub(crate) struct ThroughClient {
    client: Client,
}

impl ThroughClient {
    pub(crate) fn new(setting: &Setting) -> Outcome<Self> {
        let endpoint = Endpoint::custom(&setting.endpoint, Some(REGION), Scheme::Https)?;
        let mut config = Config::new(endpoint)
            .static_credentials(setting.credentials.clone())
            .payload_signing(setting.payload)
            .checksum(setting.checksum);
        match setting.observed {
            Observed::ByNone => {}
            Observed::ByIdle => config = config.observer(Arc::new(|_: &Event<'_>| {})),
            Observed::ByMetrics => config = config.observer(Arc::new(Metrics::new())),
        }
        let authority = setting.ca_file.as_ref().map(std::fs::read).transpose()?;
        Ok(Self { client: Client::new(over_transport(config, authority)?)? })
    }
}

/// Configures the transport that `BENCH_TRANSPORT` names.
fn over_transport(config: Config, authority: Option<Vec<u8>>) -> Outcome<Config> {
    match std::env::var("BENCH_TRANSPORT").as_deref() {
        Err(_) | Ok("own") => Ok(match authority {
            Some(pem) => config.extra_roots_pem(pem),
            None => config,
        }),
        #[cfg(feature = "ureq")]
        Ok("ureq") => Ok(config.agent(agent(authority)?)),
        Ok(other) => Err(format!("this program was built without the transport {other}").into()),
    }
}

/// Creates an agent whose pool is large enough for all threads of a measurement.
#[cfg(feature = "ureq")]
fn agent(authority: Option<Vec<u8>>) -> Outcome<ureq::Agent> {
    use ureq::tls::{Certificate, RootCerts, TlsConfig};
    let certificate = authority.map(|pem| Certificate::from_pem(&pem)).transpose()?;
    let roots = RootCerts::new_with_certs(certificate.as_slice());
    let config = ureq::Agent::config_builder()
        .proxy(None)
        .max_idle_connections(64)
        .max_idle_connections_per_host(64)
        .tls_config(TlsConfig::builder().root_certs(roots).build());
    Ok(config.build().new_agent())
}

impl Route for ThroughClient {
    fn upload(&self, source: &Source, data: &[u8], part: u64, concurrency: usize) -> Outcome {
        let key = big_key(source.len());
        let settings = ObjectSettings::default();
        if let Source::File(path, _) = source {
            let transfer =
                Transfer::new(&self.client).part_size(part).concurrency(at_least_one(concurrency));
            transfer.upload_file(path, BUCKET, &key, &settings)?;
            return Ok(());
        }
        let upload_id = self.client.create_multipart_upload(BUCKET, &key, &settings)?;
        let upload = UploadRef { bucket: BUCKET, key: &key, upload_id: &upload_id };
        let sent = Mutex::new(Vec::new());
        threads::share(source.len().div_ceil(part), concurrency, |index, _| {
            let length = part.min(source.len() - index * part) as usize;
            let number = u32::try_from(index + 1)?;
            let part = self.client.upload_part(upload, number, &data[..length])?;
            sent.lock().map_err(|_| "a thread panicked")?.push(part);
            Ok(())
        })?;
        let mut parts = sent.into_inner().map_err(|_| "a thread panicked")?;
        parts.sort_unstable_by_key(|part| part.part_number);
        self.client.complete_multipart_upload(upload, &parts, &Condition::Always)?;
        Ok(())
    }

    fn download(&self, size: u64, part: u64, concurrency: usize) -> Outcome<u64> {
        let key = big_key(size);
        let received = AtomicU64::new(0);
        let piece = if concurrency <= 1 { size } else { part };
        threads::share(size.div_ceil(piece), concurrency, |index, _| {
            let offset = index * piece;
            let length = piece.min(size - offset);
            let range =
                if length == size { ByteRange::All } else { ByteRange::Part { offset, length } };
            let mut reader = self.client.get_object(BUCKET, &key, &GetObject::range(range))?;
            let mut block = vec![0; BLOCK];
            loop {
                match reader.pull(&mut block)? {
                    0 => return Ok(()),
                    n => received.fetch_add(n as u64, Ordering::Relaxed),
                };
            }
        })?;
        Ok(received.into_inner())
    }

    fn put(&self, key: &str, data: &[u8]) -> Outcome {
        self.client.put_object(BUCKET, key, data, &ObjectSettings::default())?;
        Ok(())
    }

    fn get(&self, key: &str) -> Outcome<u64> {
        let reader = self.client.get_object(BUCKET, key, &GetObject::default())?;
        Ok(reader.read_all(1 << 20)?.len() as u64)
    }

    fn list(&self, bucket: &str) -> Outcome<u64> {
        let mut found = 0;
        for page in self.client.objects(bucket, ListObjects::default()).pages() {
            found += page?.contents.len() as u64;
        }
        Ok(found)
    }

    fn delete(&self, bucket: &str, count: u64) -> Outcome {
        let keys: Vec<String> = (0..count).map(listed_key).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        keys.chunks(DELETE_OBJECTS_KEYS)
            .try_for_each(|batch| Ok(self.client.delete_objects(bucket, batch)?))
    }
}
