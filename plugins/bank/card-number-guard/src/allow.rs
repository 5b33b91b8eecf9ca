//! Places that the operator exempts: JSON pointers in which `*` stands for any one step.

/// The steps of a pointer, as they are written (`~1` is a slash, `~0` a tilde).
pub struct Pattern(Vec<String>);

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(steps) = text.strip_prefix('/') else {
            return Err(format!("allow has '{text}'; a JSON pointer begins with '/', like /lines/*/ref"));
        };
        if steps.split('/').any(|step| step.contains('*') && step != "*") {
            return Err(format!("allow has '{text}'; '*' stands for a whole step, like /lines/*/ref"));
        }
        Ok(Self(steps.split('/').map(str::to_owned).collect()))
    }

    /// Whether it covers a place: the one that it names, and all below it.
    pub fn covers(&self, pointer: &str) -> bool {
        let mut steps = pointer.split('/').skip(1);
        self.0.iter().all(|pattern| steps.next().is_some_and(|step| pattern == "*" || pattern == step))
    }
}
