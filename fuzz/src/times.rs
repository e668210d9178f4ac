//! Timestamps in their four formats.
use s3driver::time::Timestamp;

/// A parsed time does not change if it is written and parsed again, for years of four digits.
pub fn times(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for time in [
        Timestamp::parse_iso8601(text),
        Timestamp::parse_http_date(text),
        Timestamp::parse_amz_date(text),
    ]
    .into_iter()
    .flatten()
    {
        let seconds = time.unix();
        let spelled = (time.iso8601(), time.http_date(), time.amz_date());
        // An offset can lead outside the years 0 to 9999, which the parsers do not support.
        if spelled.2.len() == "20130524T000000Z".len() && !spelled.2.starts_with('-') {
            let unix = |time: Option<Timestamp>| time.map(Timestamp::unix);
            assert_eq!(
                unix(Timestamp::parse_iso8601(&spelled.0)),
                Some(seconds),
                "{text:?} {spelled:?}"
            );
            assert_eq!(
                unix(Timestamp::parse_http_date(&spelled.1)),
                Some(seconds),
                "{text:?} {spelled:?}"
            );
            assert_eq!(
                unix(Timestamp::parse_amz_date(&spelled.2)),
                Some(seconds),
                "{text:?} {spelled:?}"
            );
        }
        assert!(spelled.2.starts_with(&time.date()));
    }
}
