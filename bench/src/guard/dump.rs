//! What callgrind wrote: how many instructions each function ran itself. Not who called whom, which is in the file as well.

use std::collections::HashMap;

use weir_bench::Failure;

/// A function, and the file it is in; both as callgrind names them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    pub object: String,
    pub name: String,
}

/// Instructions by function.
pub type Counts = HashMap<Function, u64>;

/// Reads the text format of callgrind. Its own total at the end must be the sum of what was read.
pub fn parse(text: &str) -> Result<Counts, Failure> {
    let (mut counts, mut names) = (Counts::new(), Names::default());
    let mut now = Function { object: String::new(), name: String::new() };
    let mut total = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        match line.split_once('=') {
            Some(("ob", object)) => now.object = names.objects.of(object)?,
            Some(("fn", name)) => now.name = names.functions.of(name)?,
            // These may be where a name is told that others only point at.
            Some(("cob", object)) => drop(names.objects.of(object)?),
            Some(("cfn", name)) => drop(names.functions.of(name)?),
            // The next line is what the called function cost, which stands at that function already.
            Some(("calls", _)) => drop(lines.next()),
            Some(_) => {}
            None => match line.split_once(": ") {
                Some(("totals", sum)) => total = Some(number(sum)?),
                Some(_) => {}
                None => {
                    if let Some(count) = cost(line) {
                        *counts.entry(now.clone()).or_default() += number(count)?;
                    }
                }
            },
        }
    }
    let sum: u64 = counts.values().sum();
    match total {
        Some(total) if total == sum => Ok(counts),
        Some(total) => Err(format!("callgrind counted {total} instructions, of which {sum} were found").into()),
        None => Err("callgrind's file has no total; was it written to its end?".into()),
    }
}

/// The count in a line `position count`; any other line has none.
fn cost(line: &str) -> Option<&str> {
    let (position, count) = line.split_once(' ')?;
    position.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)).then_some(count)
}

fn number(text: &str) -> Result<u64, Failure> {
    text.trim().parse().map_err(|_| format!("callgrind wrote '{text:.80}' where a count should be").into())
}

/// A name is written once, as `(7) name`, and after that as `(7)`.
#[derive(Default)]
struct Names {
    objects: Known,
    functions: Known,
}

#[derive(Default)]
struct Known(HashMap<String, String>);

impl Known {
    fn of(&mut self, text: &str) -> Result<String, Failure> {
        let unknown = || Failure::from(format!("callgrind points at a name it never told: {text:.80}"));
        let Some((number, name)) = text.strip_prefix('(').and_then(|rest| rest.split_once(')')) else {
            return Ok(text.to_owned());
        };
        if let Some(name) = name.strip_prefix(' ') {
            self.0.insert(number.to_owned(), name.to_owned());
            return Ok(name.to_owned());
        }
        self.0.get(number).cloned().ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "\
# callgrind format
version: 1
cmd:  ./weir serve --name=x
desc: Timerange: Basic block 1 - 9
positions: line
events: Ir
summary: 37

ob=(1) /usr/bin/weir
fl=(1) ???
fn=(1) weir::a
0 10
cob=(2) /lib/libc.so.6
cfi=(2) ./string/memcpy.S
cfn=(2) memcpy
calls=3 0 
0 9000
+3 5

ob=(2)
fn=(2)
* 20
fi=(3) other.h
-1 2

totals: 37
";

    fn function(object: &str, name: &str) -> Function {
        Function { object: object.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn what_a_function_called_is_not_its_own() {
        let counts = parse(DUMP).expect("counts");
        assert_eq!(counts.get(&function("/usr/bin/weir", "weir::a")), Some(&15));
        assert_eq!(counts.get(&function("/lib/libc.so.6", "memcpy")), Some(&22));
        assert_eq!(counts.len(), 2);
    }

    #[test]
    fn a_file_that_is_cut_or_does_not_add_up_is_refused() {
        let cut = DUMP.strip_suffix("totals: 37\n").expect("its end");
        let wrong = DUMP.replace("+3 5", "+3 6");
        let pointless = DUMP.replace("fn=(2)\n", "fn=(9)\n");
        let uncounted = DUMP.replace("* 20", "* many");
        for (text, why) in [(cut, "no total"), (&wrong, "38"), (&pointless, "(9)"), (&uncounted, "many")] {
            let error = parse(text).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
