//! Which sums of data fragments the parity fragments are, and which sums give data back.

use super::field::Field;

/// Rows of factors, one for each data fragment.
pub type Rows = Vec<Vec<u16>>;

/// The parity rows of liberasurecode's own Reed-Solomon code: a Vandermonde matrix over the points 0, 1, 2, …, its
/// columns changed until data fragments are the data itself and the first parity fragment is its plain sum.
pub fn systematic_vandermonde(field: Field, data: usize, parity: usize) -> Rows {
    let mut rows: Rows = (0..data + parity).map(|point| powers(field, point as u16, data)).collect();
    for column in 0..data {
        // any rows of distinct points are independent, so one of those below has something in this column
        if let Some(pivot) = (column..rows.len()).find(|row| rows[*row][column] != 0) {
            rows.swap(pivot, column);
        }
        let scale = field.invert(rows[column][column]);
        scale_column(field, &mut rows, column, scale);
        for other in (0..data).filter(|other| *other != column) {
            let factor = rows[column][other];
            rows.iter_mut().for_each(|row| row[other] ^= field.multiply(factor, row[column]));
        }
    }
    let mut parity = rows.split_off(data);
    for column in 0..data {
        if let Some(first) = parity.first().map(|row| row[column]) {
            scale_column(field, &mut parity, column, field.invert(first));
        }
    }
    parity
}

/// The parity rows of ISA-L's `gf_gen_rs_matrix`: powers of 1, 2, 4, …
pub fn generator_powers(field: Field, data: usize, parity: usize) -> Rows {
    let points = std::iter::successors(Some(1), |point| Some(field.multiply(*point, 2)));
    points.take(parity).map(|point| powers(field, point, data)).collect()
}

fn powers(field: Field, point: u16, count: usize) -> Vec<u16> {
    std::iter::successors(Some(1), |power| Some(field.multiply(*power, point))).take(count).collect()
}

fn scale_column(field: Field, rows: &mut Rows, column: usize, scale: u16) {
    rows.iter_mut().for_each(|row| row[column] = field.multiply(row[column], scale));
}

/// What undoes the square matrix `rows`; `None` where nothing does.
pub fn inverse(field: Field, mut rows: Rows) -> Option<Rows> {
    let size = rows.len();
    let mut inverse: Rows = (0..size).map(|i| (0..size).map(|j| u16::from(i == j)).collect()).collect();
    for column in 0..size {
        let pivot = (column..size).find(|row| rows[*row][column] != 0)?;
        rows.swap(pivot, column);
        inverse.swap(pivot, column);
        let scale = field.invert(rows[column][column]);
        for row in [&mut rows[column], &mut inverse[column]] {
            row.iter_mut().for_each(|element| *element = field.multiply(*element, scale));
        }
        let (pivot_row, pivot_inverse) = (rows[column].clone(), inverse[column].clone());
        for other in (0..size).filter(|other| *other != column) {
            let factor = rows[other][column];
            add_row(field, &mut rows[other], &pivot_row, factor);
            add_row(field, &mut inverse[other], &pivot_inverse, factor);
        }
    }
    Some(inverse)
}

fn add_row(field: Field, to: &mut [u16], from: &[u16], factor: u16) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to ^= field.multiply(*from, factor));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_that_liberasurecode_has() {
        let rows = systematic_vandermonde(Field::Bits16, 4, 2);
        assert_eq!(rows, [[1, 1, 1, 1], [20483, 52230, 27503, 30722]]);
        assert_eq!(generator_powers(Field::Bits8, 4, 2), [[1, 1, 1, 1], [1, 2, 4, 8]]);
    }

    #[test]
    fn an_inverse_undoes_its_matrix_and_equal_rows_have_none() {
        let field = Field::Bits16;
        let rows: Rows = (1..5).map(|point| powers(field, point, 4)).collect();
        let undo = inverse(field, rows.clone()).expect("distinct points");
        for (i, row) in undo.iter().enumerate() {
            let product = |column: usize| {
                let terms = row.iter().zip(&rows);
                terms.fold(0, |sum, (factor, row)| sum ^ field.multiply(*factor, row[column]))
            };
            assert!((0..4).all(|column| product(column) == u16::from(i == column)));
        }
        assert_eq!(inverse(field, vec![vec![3, 5], vec![3, 5]]), None);
    }
}
