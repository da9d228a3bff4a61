//! Colours that stay apart for colour-blind readers, on light and on dark ground.
//!
//! A drawing names the colours of light ground in its attributes, so that any viewer shows it; rules of style
//! exchange each of them on dark ground, where a viewer knows how.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// A colour on light ground and the one that takes its place on dark ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour {
    /// On light ground.
    pub(super) light: RGBColor,
    /// On dark ground.
    dark: RGBColor,
}

/// The ground of a chart.
pub(super) const GROUND: Colour = colour(0xfdfdfc, 0x171b21);
/// Text and axes.
pub(super) const INK: Colour = colour(0x1d2329, 0xe4e8ed);
/// Text of less weight.
pub(super) const FAINT_INK: Colour = colour(0x59626d, 0xa3adb8);
/// Lines to read values by.
pub(super) const GRID: Colour = colour(0xe1e4e8, 0x2d343d);
/// The ground of windows that were excluded.
pub(super) const SET_ASIDE: Colour = colour(0xf6d5d3, 0x5a2a2c);

/// One for each server; more servers take them again with other marks. After the set of Okabe and Ito (2008), with the
/// yellow darkened to be seen on white.
const SERIES: [Colour; 6] = [
    colour(0x0072b2, 0x5ab4f0),
    colour(0xd55e00, 0xff8f45),
    colour(0x00916a, 0x2fcf9f),
    colour(0xb34a8d, 0xea96cb),
    colour(0x8a7000, 0xe3c54a),
    colour(0x4b5560, 0xbcc5cf),
];

/// The colour of the so-manieth server.
pub(super) fn series(place: usize) -> Colour {
    SERIES[place % SERIES.len()]
}

/// How many colours there are before they come again.
pub(super) const SERIES_COLOURS: usize = SERIES.len();

/// The rules that exchange every colour where dark ground is asked for.
pub(super) fn dark_rules() -> String {
    let mut rules = String::from("@media (prefers-color-scheme: dark) {");
    for colour in [GROUND, INK, FAINT_INK, GRID, SET_ASIDE].iter().chain(&SERIES) {
        let (light, dark) = (hexadecimal(colour.light), hexadecimal(colour.dark));
        for attribute in ["fill", "stroke"] {
            // Writing to a string does not fail.
            let _ = write!(rules, " svg [{attribute}=\"{light}\"] {{ {attribute}: {dark}; }}");
        }
    }
    rules.push_str(" }");
    rules
}

/// The colour as the drawing library writes it.
fn hexadecimal(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

const fn colour(light: u32, dark: u32) -> Colour {
    Colour { light: rgb(light), dark: rgb(dark) }
}

const fn rgb(number: u32) -> RGBColor {
    let [_, red, green, blue] = number.to_be_bytes();
    RGBColor(red, green, blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast by the formula of WCAG 2.
    fn contrast(first: RGBColor, second: RGBColor) -> f64 {
        let luminance = |RGBColor(red, green, blue): RGBColor| {
            let part = |value: u8| {
                let share = f64::from(value) / 255.0;
                if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue)
        };
        let (first, second) = (luminance(first), luminance(second));
        (first.max(second) + 0.05) / (first.min(second) + 0.05)
    }

    #[test]
    fn everything_can_be_seen_on_its_ground() {
        for colour in [INK, FAINT_INK] {
            assert!(contrast(colour.light, GROUND.light) >= 4.5, "{colour:?}");
            assert!(contrast(colour.dark, GROUND.dark) >= 4.5, "{colour:?}");
        }
        for colour in SERIES {
            assert!(contrast(colour.light, GROUND.light) >= 3.0, "{colour:?}");
            assert!(contrast(colour.dark, GROUND.dark) >= 3.0, "{colour:?}");
        }
    }

    #[test]
    fn every_colour_is_exchanged_in_the_dark() {
        let rules = dark_rules();
        assert!(rules.contains(r##"svg [fill="#0072B2"] { fill: #5AB4F0; }"##), "{rules}");
        assert_eq!(rules.matches("stroke:").count(), 5 + SERIES.len());
    }
}
