//! Response heads.
use s3driver::fuzzing::response_head as read;

/// A head ends at the same byte regardless of what follows, is incomplete when cut off before that
/// byte, and contains no line break within a field.
pub fn response_head(data: &[u8]) {
    for method in ["GET", "HEAD"] {
        let Ok(Some(head)) = read(data, method) else { continue };
        assert!(head.length <= data.len() && (100..=999).contains(&head.status));
        let (own, _) = data.split_at(head.length);
        assert_eq!(read(own, method).as_ref(), Ok(&Some(head)));
        let (cut, _) = own.split_at(own.len() - 1);
        assert_eq!(read(cut, method), Ok(None), "a head that lacks its last byte is incomplete");
        if let Ok(Some(head)) = read(own, method) {
            for (name, value) in &head.fields {
                assert!(
                    !name.contains(['\r', '\n', ':', '\0']) && !value.contains(['\r', '\n', '\0'])
                );
                assert_eq!(*name, name.to_ascii_lowercase());
            }
        }
    }
}
