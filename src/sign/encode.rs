/// Percent-encodes a key for the path: everything but `A-Za-z0-9-._~` and `/`.
pub fn encode_path(key: &str) -> String {
    todo!("{key}")
}
/// Percent-encodes a query name or value: everything but `A-Za-z0-9-._~`.
pub fn encode_component(text: &str) -> String {
    todo!("{text}")
}
/// The query as it is sent, without `?`; an empty value leaves a bare name.
pub fn query_string(pairs: &[(&str, &str)]) -> String {
    todo!("{pairs:?}")
}
