//! Where the next page of a list begins. A cursor is opaque to clients, but it is checked like everything that they
//! send.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use weir_json_patch::Json;

use crate::order::{Key, Order, Place};

/// Bytes of a cursor; the largest has four strings of 256 bytes in it.
const CURSOR_BYTES_MAX: usize = 16 << 10;

/// The cursor behind a place: JSON of the order, the values there and the id.
pub fn write(order: &Order, place: &Place) -> String {
    let keys = place.keys().map(Key::to_json).collect();
    let cursor = Json::Array(vec![order.as_str().into(), Json::Array(keys), place.id.as_str().into()]);
    URL_SAFE_NO_PAD.encode(cursor.to_string())
}

/// The place behind which the page begins.
pub fn read(order: &Order, cursor: &str) -> Result<Place, String> {
    let unknown = || "it is no cursor of a list; take 'next' of the page before as it is".to_owned();
    if cursor.len() > CURSOR_BYTES_MAX {
        return Err(unknown());
    }
    let text =
        URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(unknown)?;
    let Ok(Json::Array(parts)) = Json::read(&text) else { return Err(unknown()) };
    let [Json::Text(sort), Json::Array(keys), Json::Text(id)] = parts.as_slice() else { return Err(unknown()) };
    if *sort != order.as_str() {
        return Err(format!("it is of a list that was sorted by '{sort}'; keep the order from page to page"));
    }
    if keys.len() != order.fields.len() {
        return Err(unknown());
    }
    Ok(order.place(keys.iter().map(|key| Key::of(Some(key))), id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_by_its_own_order_only() {
        let (order, plain) = (Order::read("-a,b").expect("an order"), Order::default());
        let values = [Some(Json::from("é\"")), None];
        let place = order.place(values.iter().map(|value| Key::of(value.as_ref())), "x/1");
        let cursor = write(&order, &place);
        assert_eq!(read(&order, &cursor), Ok(place));
        assert!(read(&plain, &cursor).expect_err("another order").contains("'-a,b'"));
        let id_alone = plain.place([], "x/1");
        assert_eq!(read(&plain, &write(&plain, &id_alone)), Ok(id_alone));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let others = ["", "{}", "[]", r#"["",[1],"x"]"#, r#"["",[],7]"#, r#"["",[],"x",1]"#].map(encoded);
        for cursor in others.iter().map(String::as_str).chain(["?", "ab c", "_w"]) {
            assert!(read(&Order::default(), cursor).is_err(), "{cursor}");
        }
        assert!(read(&Order::default(), &"A".repeat(CURSOR_BYTES_MAX + 1)).is_err());
    }
}
