//! CloudFront policies, keys and address ranges.
use s3driver::cloudfront::{HashAlgorithm, Ipv4Range, Policy, PrivateKey, PublicKey, RsaMinimum};
use s3driver::middleware::{IpFilter, IpRanges};
use s3driver::time::Timestamp;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};

/// An accepted policy is JSON that contains the requested conditions and nothing else.
pub fn cloudfront_policy(data: &[u8]) {
    let lines = crate::lines(data);
    let line = |number: usize| lines.get(number).map_or("", String::as_str);
    let ends = line(1).parse().unwrap_or(1_735_689_600);
    let Ok(mut policy) = Policy::new(line(0), Timestamp::from_unix(ends)) else { return };
    let source = line(2).parse::<Ipv4Range>().ok();
    if let Some(source) = source {
        policy = policy.source(source);
    }
    let json: Value = serde_json::from_str(&policy.to_json()).expect("a policy is JSON");
    let statements = json["Statement"].as_array().expect("a list");
    assert_eq!(statements.len(), 1);
    assert_eq!(statements[0]["Resource"], line(0));
    assert_eq!(statements[0]["Condition"]["DateLessThan"]["AWS:EpochTime"], ends);
    let address = statements[0]["Condition"]["IpAddress"]["AWS:SourceIp"].as_str();
    assert_eq!(address.map(str::to_owned), source.map(|source| source.to_string()));
    if !line(0).contains(['*', '?']) {
        assert!(policy.covers(line(0)));
    }
}

/// An accepted private key produces signatures that its public half verifies.
pub fn cloudfront_pem(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = PublicKey::from_pem(&text);
    // RSA keys below the usual minimum are allowed, so that the fuzzer can find new ones.
    let Ok(key) = PrivateKey::from_pem_with_minimum(&text, RsaMinimum::Bits1024ForTests) else {
        return;
    };
    if let Ok(signature) = key.sign(b"message", HashAlgorithm::Sha256) {
        key.public_key()
            .verify(b"message", &signature, HashAlgorithm::Sha256)
            .expect("the key verifies its own signature");
        assert!(key.public_key().verify(b"massage", &signature, HashAlgorithm::Sha256).is_err());
    }
}

/// The set contains the first and last address of every readable range. The addresses just below
/// and above each range are in the set only if another range contains them.
pub fn ip_ranges(data: &[u8]) {
    let Ok(ranges) = IpRanges::parse(data, &IpFilter::Aws) else { return };
    // `IpRanges::parse` skips strings that it does not need without decoding them, while
    // `serde_json` rejects them if they are not UTF-8.
    let Ok(document) = serde_json::from_slice::<Value>(data) else { return };
    let mut all: Vec<(u32, u32)> = Vec::new();
    for entry in document["prefixes"].as_array().into_iter().flatten() {
        let Some((address, bits)) =
            entry["ip_prefix"].as_str().and_then(|cidr| cidr.split_once('/'))
        else {
            continue;
        };
        let (Ok(address), Ok(bits)) = (address.parse::<Ipv4Addr>(), bits.parse::<u32>()) else {
            continue;
        };
        // `parse` accepts a leading `+`, which is not valid in a range.
        if bits <= 32 && !entry["ip_prefix"].as_str().is_some_and(|cidr| cidr.contains('+')) {
            let size = 1u64 << (32 - bits);
            let first = u64::from(u32::from(address)) / size * size;
            all.push((first as u32, (first + size - 1) as u32));
        }
    }
    let contains = |address: u32| ranges.contains(IpAddr::V4(Ipv4Addr::from(address)));
    for (first, last) in &all {
        assert!(contains(*first) && contains(*last));
    }
    for (first, last) in &all {
        for address in [first.wrapping_sub(1), last.wrapping_add(1)] {
            let inside = all.iter().any(|(first, last)| (*first..=*last).contains(&address));
            assert_eq!(contains(address), inside, "{}", Ipv4Addr::from(address));
        }
    }
}
