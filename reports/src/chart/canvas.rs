//! A sheet to draw on, in pixels from its upper left corner.

use plotters::coord::Shift;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::{DrawingArea, IntoDrawingArea, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontFamily, FontStyle, IntoTextStyle, RGBAColor, ShapeStyle};

use super::DrawingError;
use super::palette::{Colour, GROUND};

/// A point of the sheet: pixels to the right, pixels down.
pub(super) type Point = (i32, i32);

/// The letters that a reader's system has for this.
const FONT: &str = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif";

/// The drawing library writes a font's size divided by this.
const FONT_SCALE: f64 = 1.24;

/// A sheet to draw on.
pub(super) struct Canvas<'sheet> {
    area: DrawingArea<SVGBackend<'sheet>, Shift>,
}

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

/// Draws on a sheet of this size, and gives the whole `svg` element.
pub(super) fn sheet(
    size: (u32, u32),
    draw: impl FnOnce(&Canvas<'_>) -> Result<(), DrawingError>,
) -> Result<String, DrawingError> {
    let mut svg = String::new();
    {
        let canvas = Canvas { area: SVGBackend::with_string(&mut svg, size).into_drawing_area() };
        let corner = (size.0 as i32, size.1 as i32);
        canvas.rectangle((0, 0), corner, GROUND, Fill::Solid)?;
        draw(&canvas)?;
        canvas.area.present()?;
    }
    Ok(svg)
}

/// About how wide a text is, in pixels; letters differ, so leave some room.
pub(super) fn width(text: &str, size: f64) -> i32 {
    (text.chars().count() as f64 * size * 0.56).ceil() as i32
}

impl Canvas<'_> {
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
