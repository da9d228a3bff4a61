//! What more workers bring: the Universal Scalability Law, fitted to throughputs at several worker counts.
//!
//! `X(N) = λN / (1 + σ(N − 1) + κN(N − 1))` (Gunther, Guerrilla Capacity Planning, 2007, chapters 4 and 5): λ is what one
//! worker does, σ the share of the work that waits for its turn (contention), and κ what each pair of workers costs in
//! agreeing on data (coherency). With κ above 0 there is a number of workers beyond which more of them do less.

/// Worker counts that a fit needs: three coefficients, and one figure that could contradict them.
pub const WORKER_COUNTS_NEEDED: usize = 4;

/// The throughput at some number of workers. There may be several of one number, one a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// How many workers the server had.
    pub workers: usize,
    /// What they did together, for example in responses per second.
    pub throughput: f64,
}

/// The Universal Scalability Law with the coefficients of one server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scalability {
    /// λ: the throughput of one worker, in the unit of the points.
    pub one_worker: f64,
    /// σ: the share of the work that is done one at a time, at least 0.
    pub contention: f64,
    /// κ: the cost of keeping one pair of workers coherent, as a share of the work; at least 0.
    pub coherency: f64,
    /// The share of the throughputs' variance that the law explains, at most 1; none if they do not vary. Below 0 the law
    /// fits worse than their mean.
    pub determination: Option<f64>,
    /// How far the throughputs typically are from the law, as a share of them: the root of the mean square, 0.02 for 2 %.
    pub deviation: f64,
    /// The most workers that were fitted. Beyond them the law is a guess.
    pub most_workers: usize,
}

/// Why no law can be fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScalabilityError {
    /// Workers beyond the CPUs share them, and say nothing of scaling.
    #[error(
        "{server_cpus} server {} no scaling to be fitted: give the server {WORKER_COUNTS_NEEDED} or more",
        if *server_cpus == 1 { "CPU allows" } else { "CPUs allow" }
    )]
    TooFewCpus {
        /// CPUs that the server has.
        server_cpus: usize,
    },
    /// The CPUs would do, the measurements do not.
    #[error(
        "no scaling can be fitted to {found} worker {} of the {WORKER_COUNTS_NEEDED} that it takes: measure more of those \
         from 1 to the {server_cpus} CPUs of the server",
        if *found == 1 { "count" } else { "counts" }
    )]
    TooFewWorkerCounts {
        /// Different worker counts with a throughput, up to the number of CPUs.
        found: usize,
        /// CPUs that the server has.
        server_cpus: usize,
    },
}

impl Scalability {
    /// Fits the law to points with at most as many workers as the server has CPUs. Points with more workers, with none, or
    /// without a positive throughput are left out.
    ///
    /// `N/X` is a polynomial in `N`: `a + b(N − 1) + cN(N − 1)` with `a = 1/λ`, `b = σ/λ`, `c = κ/λ`. It is fitted by least
    /// squares, each `N/X` weighted by its inverse, because noise is a share of the throughput: so the sum of the squares
    /// of relative errors is least. Of all fits with `b` and `c` not below 0 it is the best one.
    ///
    /// # Errors
    ///
    /// Fewer than [`WORKER_COUNTS_NEEDED`] CPUs, or different worker counts up to their number.
    pub fn fit(points: &[Point], server_cpus: usize) -> Result<Self, ScalabilityError> {
        if server_cpus < WORKER_COUNTS_NEEDED {
            return Err(ScalabilityError::TooFewCpus { server_cpus });
        }
        let is_usable = |point: &&Point| {
            (1..=server_cpus).contains(&point.workers) && point.throughput.is_normal() && point.throughput > 0.0
        };
        let usable: Vec<Point> = points.iter().filter(is_usable).copied().collect();
        let mut counts: Vec<usize> = usable.iter().map(|point| point.workers).collect();
        counts.sort_unstable();
        counts.dedup();
        let too_few = ScalabilityError::TooFewWorkerCounts { found: counts.len(), server_cpus };
        let most_workers = *counts.last().ok_or(too_few)?;
        if counts.len() < WORKER_COUNTS_NEEDED {
            return Err(too_few);
        }
        let [constant, linear, square] = best_polynomial(&usable);
        let mut law = Self {
            one_worker: 1.0 / constant,
            contention: linear / constant,
            coherency: square / constant,
            determination: None,
            deviation: 0.0,
            most_workers,
        };
        (law.determination, law.deviation) = law.goodness(&usable);
        Ok(law)
    }

    /// The throughput that the law gives for so many workers, in the unit of the points.
    #[must_use]
    pub fn throughput(&self, workers: f64) -> f64 {
        let slowdown = 1.0 + self.contention * (workers - 1.0) + self.coherency * workers * (workers - 1.0);
        self.one_worker * workers / slowdown
    }

    /// The number of workers with the most throughput, `√((1 − σ)/κ)` and at least 1; none if more workers always bring
    /// more. Beyond [`most_workers`](Self::most_workers) it is a guess.
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        if self.contention >= 1.0 {
            return Some(1.0);
        }
        (self.coherency > 0.0).then(|| ((1.0 - self.contention) / self.coherency).sqrt().max(1.0))
    }

    /// The share of variance explained, and the typical relative error.
    fn goodness(&self, points: &[Point]) -> (Option<f64>, f64) {
        let count = points.len() as f64;
        let mean = points.iter().map(|point| point.throughput).sum::<f64>() / count;
        let error = |point: &Point| point.throughput - self.throughput(point.workers as f64);
        let unexplained: f64 = points.iter().map(|point| error(point).powi(2)).sum();
        let variance: f64 = points.iter().map(|point| (point.throughput - mean).powi(2)).sum();
        let relative: f64 = points.iter().map(|point| (error(point) / point.throughput).powi(2)).sum();
        ((variance > 0.0).then(|| 1.0 - unexplained / variance), (relative / count).sqrt())
    }
}

/// The coefficients `a`, `b` and `c`, `a` above 0 and the others not below, that fit best.
fn best_polynomial(points: &[Point]) -> [f64; 3] {
    // Scaled so that every N/X would be 1: the residuals are relative errors.
    let column = |power: fn(f64) -> f64| -> Vec<f64> {
        points.iter().map(|point| power(point.workers as f64) * point.throughput / point.workers as f64).collect()
    };
    let columns = [column(|_| 1.0), column(|workers| workers - 1.0), column(|workers| workers * (workers - 1.0))];
    // A coefficient that would be negative is 0 in the best fit that may not be. There are only four sets of those that
    // are not 0, so all are tried; the first always does, because all figures are positive.
    let mut best = ([0.0; 3], f64::INFINITY);
    for chosen in [&[0_usize][..], &[0, 1], &[0, 2], &[0, 1, 2]] {
        let picked: Vec<&[f64]> = chosen.iter().map(|index| columns[*index].as_slice()).collect();
        let (found, squares) = least_squares(&picked);
        if found.iter().all(|coefficient| *coefficient >= 0.0) && found[0] > 0.0 && squares < best.1 {
            let mut all = [0.0; 3];
            for (index, coefficient) in chosen.iter().zip(found) {
                all[*index] = coefficient;
            }
            best = (all, squares);
        }
    }
    best.0
}

/// The coefficients with which the columns come nearest to 1 in every row, and the sum of the squares that are left.
///
/// By modified Gram-Schmidt (Golub and Van Loan, Matrix Computations, 5.2.8): the normal equations would lose half of the
/// digits.
fn least_squares(columns: &[&[f64]]) -> (Vec<f64>, f64) {
    let mut left: Vec<Vec<f64>> = columns.iter().map(|column| column.to_vec()).collect();
    let mut target = vec![1.0; columns.first().map_or(0, |column| column.len())];
    let mut shares = vec![vec![0.0; columns.len()]; columns.len()];
    let mut heights = vec![0.0; columns.len()];
    for step in 0..left.len() {
        let (done, rest) = left.split_at_mut(step + 1);
        let direction = &done[step];
        let squares = dot(direction, direction);
        for (offset, column) in rest.iter_mut().enumerate() {
            shares[step][step + 1 + offset] = take_out(column, direction, squares);
        }
        heights[step] = take_out(&mut target, direction, squares);
    }
    let mut found = vec![0.0; columns.len()];
    for step in (0..columns.len()).rev() {
        let known: f64 = (step + 1..columns.len()).map(|later| shares[step][later] * found[later]).sum();
        found[step] = heights[step] - known;
    }
    (found, dot(&target, &target))
}

/// Takes out of a column what points in a direction, whose squares have this sum, and returns how much that was.
fn take_out(column: &mut [f64], direction: &[f64], squares: f64) -> f64 {
    let share = dot(column, direction) / squares;
    for (figure, part) in column.iter_mut().zip(direction) {
        *figure -= share * part;
    }
    share
}

fn dot(first: &[f64], second: &[f64]) -> f64 {
    first.iter().zip(second).map(|(first, second)| first * second).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: [usize; 7] = [1, 2, 4, 8, 16, 24, 32];

    fn law(one_worker: f64, contention: f64, coherency: f64) -> Scalability {
        Scalability { one_worker, contention, coherency, determination: None, deviation: 0.0, most_workers: 32 }
    }

    fn points(law: &Scalability, counts: &[usize]) -> Vec<Point> {
        counts.iter().map(|workers| Point { workers: *workers, throughput: law.throughput(*workers as f64) }).collect()
    }

    fn close(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found} is not {expected}");
    }

    #[test]
    fn known_coefficients_are_found_again() {
        for (one_worker, contention, coherency) in [
            (20_000.0, 0.05, 0.002),
            (1e-3, 0.3, 0.0001),
            (995.6, 0.0267, 0.000_769),
            (5e9, 0.0, 0.01),
            (7.0, 0.2, 0.0),
        ] {
            let fitted = Scalability::fit(&points(&law(one_worker, contention, coherency), &COUNTS), 32).unwrap();
            close(fitted.one_worker / one_worker, 1.0, 1e-9);
            close(fitted.contention, contention, 1e-9);
            close(fitted.coherency, coherency, 1e-9);
            close(fitted.determination.unwrap(), 1.0, 1e-9);
            close(fitted.deviation, 0.0, 1e-9);
            assert_eq!(fitted.most_workers, 32);
        }
    }

    #[test]
    fn the_peak_is_where_more_workers_do_less() {
        let fitted = Scalability::fit(&points(&law(100.0, 0.1, 0.01), &COUNTS), 32).unwrap();
        close(fitted.peak().unwrap(), 90.0_f64.sqrt(), 1e-6);
        assert!(fitted.throughput(9.5) > fitted.throughput(9.0) && fitted.throughput(9.5) > fitted.throughput(10.0));
        assert_eq!(law(100.0, 0.1, 0.0).peak(), None);
        assert_eq!(law(100.0, 1.5, 0.1).peak(), Some(1.0));
        assert_eq!(law(100.0, 0.5, 2.0).peak(), Some(1.0));
    }

    #[test]
    fn coefficients_are_never_negative() {
        // More than twice as much from two workers: without the bounds, contention would be negative.
        let throughputs = [(1, 100.0), (2, 210.0), (4, 440.0), (8, 900.0)];
        let points = throughputs.map(|(workers, throughput)| Point { workers, throughput });
        let fitted = Scalability::fit(&points, 8).unwrap();
        assert_eq!((fitted.contention, fitted.coherency, fitted.peak()), (0.0, 0.0, None));
        close(fitted.one_worker, 110.0, 5.0);
        assert!(fitted.deviation > 0.03, "{}", fitted.deviation);
    }

    #[test]
    fn no_change_of_a_coefficient_fits_noisy_points_better() {
        let mut random = fastrand::Rng::with_seed(11);
        for (contention, coherency) in [(0.05, 0.002), (0.0, 0.0), (0.3, 0.0), (0.0, 0.01)] {
            let mut noisy = points(&law(20_000.0, contention, coherency), &COUNTS.repeat(5));
            for point in &mut noisy {
                point.throughput *= 0.97 + 0.06 * random.f64();
            }
            let fitted = Scalability::fit(&noisy, 32).unwrap();
            close(fitted.one_worker / 20_000.0, 1.0, 0.05);
            close(fitted.contention, contention, 0.01);
            close(fitted.coherency, coherency, 0.001);
            assert!(fitted.determination.unwrap() > 0.97 && fitted.deviation < 0.025, "{fitted:?}");
            let misfit = |law: &Scalability| -> f64 {
                let squares =
                    noisy.iter().map(|point| (point.throughput / law.throughput(point.workers as f64) - 1.0).powi(2));
                squares.sum()
            };
            for factor in [0.999, 1.001] {
                for changed in [
                    Scalability { one_worker: fitted.one_worker * factor, ..fitted },
                    Scalability { contention: (fitted.contention + factor - 1.0).max(0.0), ..fitted },
                    Scalability { coherency: (fitted.coherency + (factor - 1.0) / 10.0).max(0.0), ..fitted },
                ] {
                    assert!(misfit(&changed) >= misfit(&fitted), "{changed:?} fits better than {fitted:?}");
                }
            }
        }
    }

    #[test]
    fn too_little_is_refused_in_one_sentence() {
        let enough = points(&law(100.0, 0.1, 0.01), &COUNTS);
        let refusal = |points: &[Point], cpus| Scalability::fit(points, cpus).unwrap_err().to_string();
        assert_eq!(refusal(&enough, 1), "1 server CPU allows no scaling to be fitted: give the server 4 or more");
        assert_eq!(refusal(&enough, 3), "3 server CPUs allow no scaling to be fitted: give the server 4 or more");
        assert_eq!(
            refusal(&enough, 4),
            "no scaling can be fitted to 3 worker counts of the 4 that it takes: measure more of those from 1 to the 4 CPUs \
             of the server"
        );
        let repeated = [enough[0]; 9];
        let found = Scalability::fit(&repeated, 8);
        assert_eq!(found, Err(ScalabilityError::TooFewWorkerCounts { found: 1, server_cpus: 8 }));
        let broken = [0.0, -1.0, f64::NAN, f64::INFINITY].map(|throughput| Point { workers: 2, throughput });
        assert_eq!(
            Scalability::fit(&broken, 8),
            Err(ScalabilityError::TooFewWorkerCounts { found: 0, server_cpus: 8 })
        );
    }

    #[test]
    fn equal_throughputs_have_a_law_and_no_variance_to_explain() {
        let points = [1, 2, 3, 4].map(|workers| Point { workers, throughput: 50.0 });
        let fitted = Scalability::fit(&points, 4).unwrap();
        assert_eq!(fitted.determination, None);
        close(fitted.contention, 1.0, 1e-9);
        close(fitted.throughput(4.0), 50.0, 1e-6);
    }
}
