//! What looks like a payment card number: 13 to 19 digits, in groups or not, whose last one is their check digit.

const DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// Whether a text is one or has one in it. Numbers side by side, with one space or dash between them, are looked at as a
/// whole and one by one.
pub fn is_in(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    digits >= *DIGITS.start() && text.split(|letter: char| !belongs(letter)).any(is_in_phrase)
}

fn belongs(letter: char) -> bool {
    letter.is_alphanumeric() || letter == ' ' || letter == '-'
}

fn is_in_phrase(phrase: &str) -> bool {
    let words: Vec<&str> = phrase.split([' ', '-']).collect();
    // A word with letters is no number, also where it has many digits: a hash, or a part of a UUID.
    let is_number = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    words
        .split(|word| !is_number(word))
        .any(|numbers| is_card(&numbers.concat()) || numbers.iter().any(|one| is_card(one)))
}

/// The check of Hans Peter Luhn: from the right, every second digit counts twice, and the sum ends in 0.
fn is_card(digits: &str) -> bool {
    let luhn = |(place, digit): (usize, u8)| match u32::from(digit - b'0') {
        digit if place % 2 == 0 => digit,
        digit => digit * 2 / 10 + digit * 2 % 10,
    };
    DIGITS.contains(&digits.len()) && digits.bytes().rev().enumerate().map(luhn).sum::<u32>() % 10 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that the card companies give out for tests, of 13 to 19 digits.
    const CARDS: [&str; 9] = [
        "4222222222222",
        "36227206271667",
        "378282246310005",
        "4111111111111111",
        "5555555555554444",
        "6011000990139424",
        "3566002020360505",
        "6304000000000000000",
        "4000000000000000006",
    ];

    #[test]
    fn cards_are_seen() {
        for card in CARDS {
            assert!(is_in(card), "{card}");
            assert!(is_in(&format!("My card is {card}.")), "{card}");
        }
        for text in ["4111 1111 1111 1111", "4111-1111-1111-1111", "no. 12: 3782 822463 10005!", "7 4111111111111111 8"]
        {
            assert!(is_in(text), "{text}");
        }
    }

    #[test]
    fn one_wrong_digit_makes_it_no_card() {
        for card in CARDS {
            for place in 0..card.len() {
                let other = (card.as_bytes()[place] - b'0' + 1) % 10;
                let wrong = format!("{}{other}{}", &card[..place], &card[place + 1..]);
                assert!(!is_in(&wrong), "{wrong}");
            }
        }
    }

    #[test]
    fn other_numbers_are_left_alone() {
        let texts = [
            "",
            "123456789012",
            "41111111111111111111",
            "4111x1111x1111x1111",
            "4111  1111  1111  1111",
            "2026-01-31T12:00:00.000Z",
            "12345678-1234-1234-1234-123456789012",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "a4111111111111111",
        ];
        for text in texts {
            assert!(!is_in(text), "{text}");
        }
    }
}
