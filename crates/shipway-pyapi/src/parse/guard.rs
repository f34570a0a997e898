//! Keeps hostile source from exhausting the stack or memory.
//!
//! The parser grows its own stack, but a syntax tree is dropped and visited recursively. A tree can
//! be no deeper than one statement has brackets and operators, so those are counted first.

/// The largest module that is parsed, in bytes.
const MAX_SOURCE: usize = 32 * 1024 * 1024;

/// Sources below this size cannot be deep enough to exhaust [`STACK`], so they are not scanned.
const SCAN_FROM: usize = 128 * 1024;

/// The deepest nesting that is parsed.
const MAX_DEPTH: usize = 20_000;

/// Stack of the threads that parse; only touched pages cost memory.
pub(crate) const STACK: usize = 256 * 1024 * 1024;

/// Says why a source cannot be parsed safely, if so.
pub(crate) fn check(source: &str) -> Result<(), String> {
    if source.len() > MAX_SOURCE {
        return Err(format!("{} bytes, the limit is {MAX_SOURCE}", source.len()));
    }
    if source.len() >= SCAN_FROM && depth_bound(source.as_bytes()) > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH} levels"));
    }
    Ok(())
}

/// Runs `work` on a thread whose stack is large enough for the deepest permitted tree.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        match thread.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => Err(format!("no thread can be started: {error}")),
        }
    })
}

/// An upper bound of the depth of the syntax tree: brackets open at once, plus per open bracket the
/// operators since the last comma or statement end, plus indentation.
fn depth_bound(source: &[u8]) -> usize {
    let mut bound = 0;
    let mut open: Vec<usize> = Vec::new();
    let mut below = 0;
    let mut here = 0;
    let mut at = 0;
    while at < source.len() {
        let byte = source[at];
        at += 1;
        match byte {
            b' ' | b'\t' | b'\x0c' | b'\r' | b'\\' => continue,
            // Every keyword operator (`not`, `and`, `lambda`, `if`, `await`) begins a word.
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => {
                let rest = source[at..].iter();
                at += rest.take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
                here += 1;
            }
            b'#' => {
                at = end_of_line(source, at - 1);
                continue;
            }
            // Contents of f-strings nest too, so only plain literals are skipped.
            b'"' | b'\'' if !is_interpolated(source, at - 1) => {
                at = end_of_string(source, at - 1);
                continue;
            }
            b'(' | b'[' | b'{' => {
                open.push(here);
                below += here + 1;
                here = 0;
            }
            b')' | b']' | b'}' => {
                if let Some(before) = open.pop() {
                    below -= before + 1;
                    // A call or subscript is one level on top of what it applies to.
                    here = before + 1;
                }
                continue;
            }
            b',' | b';' => {
                here = 0;
                continue;
            }
            b'\n' => {
                if open.is_empty() {
                    here = 0;
                }
                continue;
            }
            _ => here += 1,
        }
        bound = bound.max(below + here);
    }
    bound + deepest_indentation(source)
}

fn deepest_indentation(source: &[u8]) -> usize {
    source
        .split(|byte| *byte == b'\n')
        .map(|line| line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count())
        .max()
        .unwrap_or(0)
        .min(MAX_DEPTH / 2)
}

fn is_interpolated(source: &[u8], quote: usize) -> bool {
    source[..quote]
        .iter()
        .rev()
        .take(2)
        .take_while(|byte| byte.is_ascii_alphabetic())
        .any(|byte| matches!(byte, b'f' | b'F' | b't' | b'T'))
}

fn end_of_line(source: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &source[at..]).map_or(source.len(), |found| at + found)
}

fn end_of_string(source: &[u8], start: usize) -> usize {
    let quote = source[start];
    let triple = source[start..].starts_with(&[quote; 3]);
    let mut at = start + if triple { 3 } else { 1 };
    while let Some(rest) = source.get(at..) {
        let found = if triple {
            memchr::memchr2(quote, b'\\', rest)
        } else {
            memchr::memchr3(quote, b'\\', b'\n', rest)
        };
        let Some(found) = found else { break };
        at += found;
        match source[at] {
            b'\\' => at += 1,
            b'\n' => return at,
            _ if !triple => return at + 1,
            _ if source[at..].starts_with(&[quote; 3]) => return at + 3,
            _ => {}
        }
        at += 1;
    }
    source.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_is_not_deep() {
        let table = format!("x = [{}]\n", "(1, -2, 'a'), ".repeat(100_000));
        assert!(check(&table).is_ok());
        let text = format!("x = '''{}'''\n", "((((".repeat(100_000));
        assert!(check(&text).is_ok());
        let statements = "x.y(z).w[1] = not a + b\n".repeat(50_000);
        assert!(check(&statements).is_ok());
    }

    #[test]
    fn deep_is_refused() {
        for piece in ["(", "-", "not ", "1+", "a.", "f()", "lambda: ", "x if y else ", "{1:", "await "] {
            let source = format!("x = {}", piece.repeat(SCAN_FROM));
            assert!(check(&source).is_err(), "{piece}");
        }
    }

    #[test]
    fn what_is_small_is_parsed_and_dropped() {
        for piece in ["(", "-", "1+", "a.", "lambda: ", "f("] {
            let source = format!("x = {}", piece.repeat(SCAN_FROM / piece.len() - 10));
            assert!(check(&source).is_ok(), "{piece}");
            on_large_stack(|| {
                drop(ruff_python_parser::parse_unchecked_source(
                    &source,
                    ruff_python_ast::PySourceType::Python,
                ))
            })
            .unwrap();
        }
    }
}
