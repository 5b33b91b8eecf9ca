//! RESP, the protocol of Redis and SierraDB: commands as lists of texts, answers of both its versions.

use weir_bench::Failure;

use super::wire::{Wire, line};

#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    Text(String),
    Number(u64),
    Null,
    List(Vec<Reply>),
    Error(String),
}

/// Answers within answers; more is refused.
const DEPTH_MAX: usize = 8;

/// A command as it is sent.
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

impl Wire {
    /// The next answer. One that says an error is one.
    pub async fn reply(&mut self) -> Result<Reply, Failure> {
        match self.next(|bytes| parse(bytes, DEPTH_MAX)).await? {
            Reply::Error(error) => Err(format!("the answer is an error: {error}").into()),
            reply => Ok(reply),
        }
    }

    pub async fn call(&mut self, words: &[&str]) -> Result<Reply, Failure> {
        self.send(&command(words)).await?;
        self.reply().await
    }
}

/// The answer at the beginning and its length, once it is there completely.
fn parse(bytes: &[u8], depth: usize) -> Result<Option<(Reply, usize)>, Failure> {
    let Some((head, start)) = line(bytes)? else { return Ok(None) };
    let (Some(kind), Some(rest)) = (head.get(..1), head.get(1..)) else { return Err("an empty answer".into()) };
    let reply = match kind {
        "+" | "," | "#" => Reply::Text(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Number(rest.parse()?),
        "_" => Reply::Null,
        "$" | "!" | "=" if rest != "-1" => {
            let end = start + rest.parse::<usize>()?;
            let Some(text) = bytes.get(start..end) else { return Ok(None) };
            if bytes.len() < end + 2 {
                return Ok(None);
            }
            let text = String::from_utf8_lossy(text).into_owned();
            let reply = if kind == "!" { Reply::Error(text) } else { Reply::Text(text) };
            return Ok(Some((reply, end + 2)));
        }
        "*" | "%" | "~" | ">" if rest != "-1" => {
            let count = rest.parse::<usize>()? * if kind == "%" { 2 } else { 1 };
            return list(bytes, start, count, depth);
        }
        "$" | "*" => Reply::Null,
        _ => return Err(format!("not an answer of RESP: {head:.100}").into()),
    };
    Ok(Some((reply, start)))
}

fn list(bytes: &[u8], start: usize, count: usize, depth: usize) -> Result<Option<(Reply, usize)>, Failure> {
    let depth = depth.checked_sub(1).ok_or("an answer within too many others")?;
    let (mut items, mut at) = (Vec::new(), start);
    for _ in 0..count {
        let Some((item, length)) = parse(&bytes[at..], depth)? else { return Ok(None) };
        // An error inside fails the whole, as a transaction has them.
        if matches!(item, Reply::Error(_)) {
            return Ok(Some((item, at + length)));
        }
        items.push(item);
        at += length;
    }
    Ok(Some((Reply::List(items), at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_complete() {
        let bytes = b"*3\r\n$5\r\n1-0\r\n\r\n:42\r\n%1\r\n+a\r\n_\r\n";
        for cut in 0..bytes.len() {
            assert_eq!(parse(&bytes[..cut], 8).expect("no error"), None);
        }
        let inner = Reply::List(vec![Reply::Text("a".into()), Reply::Null]);
        let whole = Reply::List(vec![Reply::Text("1-0\r\n".into()), Reply::Number(42), inner]);
        assert_eq!(parse(bytes, 8).expect("no error"), Some((whole, bytes.len())));
    }

    #[test]
    fn errors_are_found_at_any_depth() {
        for bytes in ["-ERR no\r\n", "*1\r\n-ERR no\r\n", "!6\r\nERR no\r\n"] {
            let (reply, length) = parse(bytes.as_bytes(), 8).expect("no error").expect("an answer");
            assert_eq!((reply, length), (Reply::Error("ERR no".into()), bytes.len()));
        }
        assert!(parse(b"?what\r\n", 8).is_err());
        assert!(parse("*1\r\n".repeat(10).as_bytes(), 8).is_err());
    }
}
