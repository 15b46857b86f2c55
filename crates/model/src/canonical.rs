use serde_json::Value;

/// JSON without spaces whose objects are sorted by name, whatever order a map keeps: equal values
/// have equal bytes, to be signed, hashed and compared.
///
/// # Errors
/// Where a writer fails, which a vector does not.
pub fn canonical(value: &Value) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match value {
        Value::Object(map) => {
            let mut rows: Vec<(&String, &Value)> = map.iter().collect();
            rows.sort_by_key(|(name, _)| *name);
            out.push(b'{');
            for (n, (name, value)) in rows.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, name)?;
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
        Value::Array(rows) => {
            out.push(b'[');
            for (n, value) in rows.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(value, out)?;
            }
            out.push(b']');
        }
        plain => serde_json::to_writer(out, plain)?,
    }
    Ok(())
}
