//! Goes over values without reading them: from bracket to bracket, and over strings as a whole. Only for texts that are
//! known to be JSON; of others it may take something else for a value.

use crate::read::{ReadError, Reader};
use crate::special::plain_bytes;

impl<'t> Reader<'t> {
    /// Goes over the next value, and gives back its text.
    pub fn skip(&mut self) -> Result<&'t str, ReadError> {
        self.next();
        let start = self.at;
        match end_of(self.text.as_bytes(), start, 0).and_then(|end| Some((end, self.text.get(start..end)?))) {
            Some((end, value)) => {
                self.at = end;
                Ok(value)
            }
            None => self.fail("a value has no end"),
        }
    }

    /// All that is left but the bracket at the end.
    pub fn last(&mut self) -> Result<&'t str, ReadError> {
        let (start, end) = (self.at, self.text.len().saturating_sub(1));
        if start > end || !self.text.ends_with('}') {
            return self.fail("the end of an object is expected");
        }
        self.at = end;
        Ok(&self.text[start..end])
    }

    /// Goes behind the end of the array or object that has begun, as `skip` does.
    pub fn skip_rest(&mut self) -> Result<(), ReadError> {
        match end_of(self.text.as_bytes(), self.at, 1) {
            Some(end) => self.at = end,
            None => return self.fail("a value has no end"),
        }
        Ok(())
    }
}

/// Where a value ends that is here inside of so many that have begun; with none, it begins here.
fn end_of(bytes: &[u8], mut at: usize, mut open: usize) -> Option<usize> {
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        match byte {
            b'"' => at = string_end(bytes, at)?,
            b'{' | b'[' => open += 1,
            b'}' | b']' => open = open.saturating_sub(1),
            _ if open == 0 => return Some(scalar_end(bytes, at)),
            _ => continue,
        }
        if open == 0 {
            return Some(at);
        }
    }
}

/// Behind the quote at the end of the string that has begun here.
fn string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += plain_bytes(bytes.get(at..)?);
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Behind a number or a word.
fn scalar_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let stop = |byte: &u8| matches!(byte, b',' | b'}' | b']' | 0..=b' ');
    at + rest.iter().position(stop).unwrap_or(rest.len())
}
