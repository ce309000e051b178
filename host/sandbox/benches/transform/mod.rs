//! The reference transform itself, compiled both into the bench and into its guest.

/// Values of the two computed columns, and which rows are kept as a bitmap. The texts of `moneda` lie in `bytes` between
/// neighbouring `offsets`; `ts` is in microseconds.
pub(crate) fn transform(
    monto: &[f64],
    offsets: &[i32],
    bytes: &[u8],
    ts: &[i64],
) -> (Vec<f64>, Vec<i32>, Vec<u8>) {
    let usd = usd(monto, offsets, bytes);
    let fecha = ts.iter().map(|ts| ts.div_euclid(86_400_000_000) as i32).collect();
    let bit = |byte: u8, (row, monto): (usize, &f64)| byte | u8::from(*monto > 0.0) << row;
    let keep = monto
        .chunks(8)
        .map(|rows| rows.iter().enumerate().fold(0, bit))
        .collect();
    (usd, fecha, keep)
}

/// The first of them alone, as a function for SQL is called.
pub(crate) fn usd(monto: &[f64], offsets: &[i32], bytes: &[u8]) -> Vec<f64> {
    let codes = offsets
        .array_windows::<2>()
        .map(|[from, to]| bytes.get(*from as usize..*to as usize).unwrap_or_default());
    monto
        .iter()
        .zip(codes)
        .map(|(monto, code)| monto * rate(code))
        .collect()
}

fn rate(code: &[u8]) -> f64 {
    match code {
        b"EUR" => 1.08,
        b"USD" => 1.0,
        b"MXN" => 0.058,
        b"COP" => 0.00025,
        _ => 0.0,
    }
}
