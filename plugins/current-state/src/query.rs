//! What a list is asked for: the parameters of the URL, checked.

use weir_plugin_sdk::{Params, Problem};

use crate::cursor;
use crate::filter::Filter;
use crate::keys;
use crate::order::{Order, Place};

/// Items of a page, if nothing is said, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1_000;
/// Filters of one list.
const FILTERS_MAX: usize = 16;

/// Parameters that are no fields: the list's own, and those that the server takes for itself.
const RESERVED: [&str; 6] = ["topic", "sort", "limit", "after", "minPosition", "wait"];

/// A question for a page of a list.
#[derive(Debug)]
pub struct Query {
    pub topic: String,
    pub filters: Vec<Filter>,
    pub order: Order,
    pub limit: usize,
    /// The page begins behind this place.
    pub after: Option<Place>,
}

impl Query {
    pub fn read(params: &Params) -> Result<Self, Problem> {
        let topic: String = params.require("topic")?;
        if !keys::is_topic(&topic) {
            return Err(refused("topic", "it is no name of a topic"));
        }
        let sort: Option<String> = params.get("sort")?;
        let order =
            sort.map_or_else(|| Ok(Order::default()), |sort| Order::read(&sort)).map_err(|it| refused("sort", &it))?;
        let after: Option<String> = params.get("after")?;
        let after = after.map(|it| cursor::read(&order, &it)).transpose().map_err(|it| refused("after", &it))?;
        Ok(Self { topic, filters: filters(params)?, limit: limit(params)?, order, after })
    }
}

fn limit(params: &Params) -> Result<usize, Problem> {
    let limit = params.get("limit")?.unwrap_or(LIMIT);
    if (1..=LIMIT_MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(refused("limit", &format!("it is from 1 to {LIMIT_MAX}")))
    }
}

fn filters(params: &Params) -> Result<Vec<Filter>, Problem> {
    let fields = params.all().filter(|(name, _)| !RESERVED.contains(name));
    let filter = |(name, value)| Filter::read(name, value).map_err(|reason| refused(name, &reason));
    let filters = fields.map(filter).collect::<Result<Vec<_>, _>>()?;
    match filters.len() > FILTERS_MAX {
        true => Err(Problem::new("param-unexpected", format!("There are more than {FILTERS_MAX} filters"))),
        false => Ok(filters),
    }
}

fn refused(name: &str, reason: &str) -> Problem {
    Problem::new("param-unexpected", format!("The parameter '{name}' does not fit: {reason}"))
}
