//! A sheet to draw on, in pixels from its upper left corner.

use std::cell::RefCell;
use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::{DrawingArea, IntoDrawingArea, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, IntoTextStyle, RGBAColor, ShapeStyle};

use super::DrawingError;
use super::palette::{Colour, FAINT_INK, GROUND, INK};

/// A point of the sheet: pixels to the right, pixels down.
pub(super) type Point = (i32, i32);

/// The letters that a reader's system has for this.
const FONT: &str = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif";

/// The drawing library writes a font's size divided by this.
const FONT_SCALE: f64 = 1.24;

/// A sheet to draw on.
pub(super) struct Canvas<'sheet> {
    area: DrawingArea<SVGBackend<'sheet>, Shift>,
    /// Elements that say a value when pointed at, which the drawing library does not know.
    hints: RefCell<String>,
    /// How far the area is below the upper edge of the sheet, in pixels.
    head: i32,
}

/// What stands around a drawing inside the picture, because pictures are pasted elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The title above it.
    pub(super) title: String,
    /// Machine, run and caveats below it.
    pub(super) notes: Vec<String>,
}

/// Room for the title, in pixels.
const HEADING: u32 = 34;
/// Size of the letters of a note, in pixels.
const NOTE: f64 = 11.0;
/// Height of a line of notes, in pixels.
const NOTE_LINE: u32 = 16;
/// Space at the left and right edge, in pixels.
const EDGE: i32 = 14;

/// Which edge of a text its point is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// Its left end.
    Left,
    /// Its middle.
    Middle,
    /// Its right end.
    Right,
}

/// The look of a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lettering {
    /// Height of the letters, in pixels.
    pub(super) size: f64,
    /// Colour.
    pub(super) colour: Colour,
    /// Which end the given point is at; the point is at half the letters' height.
    pub(super) anchor: Anchor,
    /// Whether the strokes are strong.
    pub(super) bold: bool,
}

/// The shape of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A disc.
    Circle,
    /// A square on its side.
    Square,
    /// A triangle on its side.
    Triangle,
    /// A square on its corner.
    Diamond,
    /// A triangle on its corner.
    Wedge,
}

/// The shapes, in the order in which servers take them.
pub(super) const SHAPES: [Shape; 5] = [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond, Shape::Wedge];

/// How much ink a shape takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fill {
    /// All of it.
    Solid,
    /// A share of it, 0 to 1.
    Pale(f64),
    /// Its outline on the ground.
    Hollow,
}

/// Draws on a sheet of this size with its title above and its notes below, and gives the whole `svg` element.
pub(super) fn sheet(
    size: (u32, u32),
    frame: &Frame,
    draw: impl FnOnce(&Canvas<'_>) -> Result<(), DrawingError>,
) -> Result<String, DrawingError> {
    let letters = ((f64::from(size.0) - 2.0 * f64::from(EDGE)) / (NOTE * 0.56)) as usize;
    let notes: Vec<String> = frame.notes.iter().flat_map(|note| wrapped(note, letters)).collect();
    let foot = NOTE_LINE * u32::try_from(notes.len()).unwrap_or(u32::MAX).min(1_000) + 14;
    let whole = (size.0, size.1 + HEADING + foot);
    let mut svg = String::new();
    let hints;
    {
        let area = SVGBackend::with_string(&mut svg, whole).into_drawing_area();
        let paper = Canvas { area: area.clone(), hints: RefCell::default(), head: 0 };
        paper.rectangle((0, 0), (whole.0 as i32, whole.1 as i32), GROUND, Fill::Solid)?;
        let title = Lettering { size: 16.0, colour: INK, anchor: Anchor::Left, bold: true };
        paper.text(&frame.title, (EDGE, 20), title)?;
        let faint = Lettering { size: NOTE, colour: FAINT_INK, anchor: Anchor::Left, bold: false };
        for (line, note) in (0..).zip(&notes) {
            let y = (size.1 + HEADING + 6 + NOTE_LINE * line) as i32;
            paper.text(note, (EDGE, y), faint)?;
        }
        let canvas = Canvas { area: area.margin(HEADING, foot, 0, 0), hints: RefCell::default(), head: HEADING as i32 };
        draw(&canvas)?;
        area.present()?;
        hints = canvas.hints.into_inner();
    }
    Ok(match svg.rfind("</svg>") {
        Some(end) => format!("{}{hints}{}", &svg[..end], &svg[end..]),
        None => svg,
    })
}

/// Text in which nothing is taken for markup, and which holds no letter that XML forbids.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

/// The text in lines of at most so many letters, broken between words; a word that is longer is cut.
fn wrapped(text: &str, letters: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().take(letters).collect();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= letters => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// About how wide a text is, in pixels; letters differ, so leave some room.
pub(super) fn width(text: &str, size: f64) -> i32 {
    (text.chars().count() as f64 * size * 0.56).ceil() as i32
}

impl Canvas<'_> {
    /// Lets a rectangle between two corners say something when it is pointed at.
    pub(super) fn hint(&self, upper_left: Point, lower_right: Point, text: &str) {
        let (x, y) = (upper_left.0, upper_left.1.saturating_add(self.head));
        let (wide, high) = (lower_right.0.saturating_sub(x).max(1), lower_right.1.saturating_sub(upper_left.1).max(1));
        let text = escaped(text);
        // Writing to a string does not fail.
        let _ = writeln!(
            self.hints.borrow_mut(),
            "<rect x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\" fill=\"none\" pointer-events=\"all\">\
             <title>{text}</title></rect>"
        );
    }

    /// A rectangle of slanting lines, for what is not ranked.
    pub(super) fn hatched(&self, upper_left: Point, lower_right: Point, colour: Colour) -> Result<(), DrawingError> {
        let ((left, top), (right, bottom)) = (upper_left, lower_right);
        let high = bottom - top;
        let mut foot = left - high;
        while foot < right {
            let (from, to) = (foot.max(left), (foot + high).min(right));
            self.line(vec![(from, bottom - (from - foot)), (to, bottom - (to - foot))], colour, 1)?;
            foot += 6;
        }
        self.rectangle(upper_left, lower_right, colour, Fill::Hollow)
    }

    /// A line through these points.
    pub(super) fn line(&self, points: Vec<Point>, colour: Colour, width: u32) -> Result<(), DrawingError> {
        self.area.draw(&PathElement::new(points, colour.light.stroke_width(width)))
    }

    /// A horizontal line of dashes.
    pub(super) fn dashes(&self, from: Point, to_x: i32, colour: Colour, dash: i32) -> Result<(), DrawingError> {
        let mut x = from.0;
        while x < to_x {
            self.line(vec![(x, from.1), ((x + dash).min(to_x), from.1)], colour, 2)?;
            x += dash + 5;
        }
        Ok(())
    }

    /// A rectangle between two corners.
    pub(super) fn rectangle(
        &self,
        upper_left: Point,
        lower_right: Point,
        colour: Colour,
        fill: Fill,
    ) -> Result<(), DrawingError> {
        self.area.draw(&Rectangle::new([upper_left, lower_right], look(colour, fill)))
    }

    /// A mark around a point; `radius` is in pixels.
    pub(super) fn mark(
        &self,
        at: Point,
        shape: Shape,
        radius: i32,
        colour: Colour,
        fill: Fill,
    ) -> Result<(), DrawingError> {
        let (x, y) = at;
        let corners = match shape {
            Shape::Circle => {
                if fill == Fill::Hollow {
                    self.area.draw(&Circle::new(at, radius, GROUND.light.filled()))?;
                }
                let style = look(colour, fill).stroke_width(2);
                return self.area.draw(&Circle::new(at, radius, style));
            }
            Shape::Square => {
                vec![
                    (x - radius, y - radius),
                    (x + radius, y - radius),
                    (x + radius, y + radius),
                    (x - radius, y + radius),
                ]
            }
            Shape::Triangle => vec![(x, y - radius - 1), (x + radius + 1, y + radius), (x - radius - 1, y + radius)],
            Shape::Wedge => vec![(x, y + radius + 1), (x + radius + 1, y - radius), (x - radius - 1, y - radius)],
            Shape::Diamond => {
                let reach = radius + 1;
                vec![(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y)]
            }
        };
        if fill != Fill::Hollow {
            return self.area.draw(&Polygon::new(corners, look(colour, fill)));
        }
        self.area.draw(&Polygon::new(corners.clone(), GROUND.light.filled()))?;
        let outline = corners.iter().chain(corners.first()).copied().collect();
        self.line(outline, colour, 2)
    }

    /// One line of text.
    pub(super) fn text(&self, text: &str, at: Point, lettering: Lettering) -> Result<(), DrawingError> {
        let position = match lettering.anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let style = if lettering.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = (FontFamily::Name(FONT), lettering.size * FONT_SCALE, style);
        let style =
            font.into_text_style(&self.area).color(&lettering.colour.light).pos(Pos::new(position, VPos::Center));
        // Control characters are not allowed in the file that this becomes, whatever a name in a record holds.
        let safe: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        self.area.draw(&Text::new(safe, at, style))
    }
}

fn look(colour: Colour, fill: Fill) -> ShapeStyle {
    let solid: RGBAColor = colour.light.to_rgba();
    match fill {
        Fill::Solid => solid.filled(),
        Fill::Pale(share) => colour.light.mix(share).filled(),
        Fill::Hollow => solid.stroke_width(2),
    }
}
