//! An object: its members in the order of their names. A list and no tree, because the trees of the standard library
//! reserve room for eleven members, and a megabyte of small objects would not fit into a plugin's memory.

use compact_str::CompactString;

use crate::json::Json;

/// The members of an object, each name once, ordered by the names' bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Object(Vec<(CompactString, Json)>);

impl Object {
    /// From members as they were written. Of those with the same name the last one counts, as in most readers of JSON.
    pub fn of(mut members: Vec<(CompactString, Json)>) -> Self {
        if !members.is_sorted_by(|one, two| one.0 < two.0) {
            members.sort_by(|one, two| one.0.cmp(&two.0));
            members.dedup_by(|later, earlier| {
                let twice = later.0 == earlier.0;
                if twice {
                    std::mem::swap(&mut later.1, &mut earlier.1);
                }
                twice
            });
        }
        Self(members)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The members, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&CompactString, &Json)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// A member's value.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.place(name).ok().map(|place| &self.0[place].1)
    }

    /// A member's value, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        self.place(name).ok().map(|place| &mut self.0[place].1)
    }

    /// Sets a member, and gives back the value that it had.
    pub fn insert(&mut self, name: CompactString, value: Json) -> Option<Json> {
        match self.place(&name) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                self.0.insert(place, (name, value));
                None
            }
        }
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        self.place(name).ok().map(|place| self.0.remove(place).1)
    }

    /// Where the member is, or where it would be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(member, _)| member.as_str().cmp(name))
    }
}

impl IntoIterator for Object {
    type Item = (CompactString, Json);
    type IntoIter = std::vec::IntoIter<(CompactString, Json)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_members_with_the_same_name_the_last_one_counts() {
        let member = |name: &str, value: u64| (CompactString::from(name), Json::from(value));
        let object = Object::of(vec![member("b", 1), member("a", 2), member("b", 3), member("b", 4)]);
        assert_eq!(object, Object::of(vec![member("a", 2), member("b", 4)]));
    }
}
