//! Reading of the JSON vectors in `testdata/`, for tests: no more of JSON than they use.

/// All texts given as `"name": "text"`.
pub(crate) fn texts<'a>(json: &'a str, name: &str) -> Vec<&'a str> {
    let key = format!("\"{name}\": \"");
    json.split(key.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// The first text of that name as hexadecimal digits.
pub(crate) fn hex(json: &str, name: &str) -> Vec<u8> {
    unhex(texts(json, name)[0])
}

/// Bytes of hexadecimal digits.
pub(crate) fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}
