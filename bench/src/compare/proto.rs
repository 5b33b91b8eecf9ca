//! As much of Protocol Buffers as UmaDB and S2 need: fields of bytes and numbers.

use weir_bench::Failure;

/// Adds a field that holds bytes, text or another message.
pub fn put(bytes: &mut Vec<u8>, field: u8, value: &[u8]) {
    bytes.push(field << 3 | 2);
    let mut length = value.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(value);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The first value of a field, if it is there.
pub fn get(mut bytes: &[u8], field: u64) -> Result<Option<Value<'_>>, Failure> {
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?)?;
                let (value, rest) = bytes.split_at_checked(length).ok_or("a message is cut off")?;
                bytes = rest;
                Value::Bytes(value)
            }
            kind => return Err(format!("a message with a field of kind {kind}").into()),
        };
        if tag >> 3 == field {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// The number of a field; 0 is not sent.
pub fn number(bytes: &[u8], field: u64) -> Result<u64, Failure> {
    match get(bytes, field)? {
        Some(Value::Number(number)) => Ok(number),
        None => Ok(0),
        Some(Value::Bytes(_)) => Err(format!("field {field} is no number").into()),
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Failure> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("a message is cut off")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number has no end".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_found_again() {
        let (mut bytes, long) = (vec![1 << 3, 0xac, 0x02], vec![7; 300]);
        put(&mut bytes, 3, &long);
        assert_eq!(number(&bytes, 1).expect("a number"), 300);
        assert_eq!(get(&bytes, 3).expect("no error"), Some(Value::Bytes(&long)));
        assert_eq!((number(&bytes, 2).expect("none"), get(&bytes, 2).expect("none")), (0, None));
        assert!(number(&bytes, 3).is_err());
        for cut in 4..bytes.len() {
            assert!(get(&bytes[..cut], 4).is_err(), "{cut}");
        }
    }
}
