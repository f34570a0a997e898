//! The fields of `METADATA`, `PKG-INFO` or `WHEEL`, to be set one by one.

#[derive(Clone)]
pub(crate) struct Headers {
    /// Name and value; a value holds its continuation lines.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Headers {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap().replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in head.lines() {
            match line.split_once(": ") {
                Some((name, value)) if !line.starts_with([' ', '\t']) => {
                    fields.push((name.to_owned(), value.to_owned()));
                }
                _ => fields.last_mut().unwrap().1 += &format!("\n{line}"),
            }
        }
        Self { fields, body: body.to_owned() }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut text: String = self.fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        if !self.body.is_empty() {
            text += &format!("\n{}", self.body);
        }
        text.into_bytes()
    }

    /// Gives a field one value, where it stood first.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        let at = self.fields.iter().position(|(found, _)| found == name).unwrap_or(self.fields.len());
        self.remove(name);
        self.fields.insert(at.min(self.fields.len()), (name.to_owned(), value.to_owned()));
    }

    /// Gives a field one value more.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.fields.retain(|(found, _)| found != name);
    }
}
