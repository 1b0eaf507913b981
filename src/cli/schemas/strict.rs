//! Makes a schema as strict as the output is, and as short as it can be.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Removes a field.
pub fn remove(schema: &mut Value, field: &str) {
    let properties = schema["properties"].as_object_mut();
    let removed = properties.and_then(|properties| properties.remove(field));
    assert!(removed.is_some(), "{field} is no field");
}

/// Removes the definitions that nothing refers to.
pub fn drop_unused(root: &Value, definitions: &mut Value) {
    let mut used = BTreeSet::new();
    let mut texts = vec![root.to_string()];
    while let Some(text) = texts.pop() {
        for rest in text.split("\"#/$defs/").skip(1) {
            let name = rest.split('"').next().unwrap_or_default();
            if used.insert(name.to_owned()) {
                texts.push(definitions[name].to_string());
            }
        }
    }
    if let Some(all) = definitions.as_object_mut() {
        all.retain(|name, _| used.contains(name));
    }
}

/// Makes a schema as strict as the output is.
pub fn finish(schema: &mut Value, definitions: &Value) {
    match schema {
        Value::Object(object) => {
            finish_object(object, definitions);
            for (_, part) in object.iter_mut() {
                finish(part, definitions);
            }
        }
        Value::Array(parts) => {
            for part in parts {
                finish(part, definitions);
            }
        }
        _ => {}
    }
}

fn finish_object(object: &mut Map<String, Value>, definitions: &Value) {
    // Of numbers: not a format of JSON Schema.
    if object
        .get("format")
        .is_some_and(|format| format.as_str().is_some_and(|name| name.contains("int")))
    {
        object.remove("format");
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = in_json(text);
    }
    if object.contains_key("properties") && object.contains_key("anyOf") {
        merge_forms(object, definitions);
    }
    let required: BTreeSet<String> = object
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let Some(Value::Object(properties)) = object.get_mut("properties") else {
        return;
    };
    for (name, property) in properties.iter_mut() {
        let may_be_null = property
            .as_object_mut()
            .and_then(|property| property.remove("x-null"))
            .is_some();
        if !required.contains(name) && !may_be_null {
            never_null(property);
        }
    }
    object
        .entry("additionalProperties")
        .or_insert(Value::Bool(false));
}

/// A field that is left out if there is no value.
fn never_null(property: &mut Value) {
    if let Some(types) = property["type"].as_array() {
        let others: Vec<&Value> = types.iter().filter(|name| **name != "null").collect();
        if let [only] = others.as_slice() {
            property["type"] = (*only).clone();
        }
    }
    if let Some(forms) = property["anyOf"].as_array() {
        let others: Vec<&Value> = forms.iter().filter(|form| form["type"] != "null").collect();
        if let [Value::Object(only)] = others.as_slice() {
            let only = only.clone();
            if let Some(property) = property.as_object_mut() {
                property.remove("anyOf");
                property.extend(only);
            }
        }
    }
    if let Some(property) = property.as_object_mut() {
        property.retain(|_, value| !value.is_null());
    }
}

/// Adds the properties of the forms to those that all forms have.
fn merge_forms(object: &mut Map<String, Value>, definitions: &Value) {
    let forms = object.remove("anyOf");
    let forms: Vec<Value> = forms
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|form| match form["$ref"].as_str() {
            Some(path) => {
                let name = path.trim_start_matches("#/$defs/");
                definitions[name].clone()
            }
            None => form.clone(),
        })
        .collect();
    for form in &forms {
        let Some(more) = form["properties"].as_object() else {
            continue;
        };
        let Some(Value::Object(properties)) = object.get_mut("properties") else {
            continue;
        };
        for (name, property) in more {
            match properties.get_mut(name) {
                Some(there)
                    if there == property || (property["type"] == "null" && may_be_null(there)) => {}
                Some(there) => {
                    let description = there["description"].clone();
                    let mut both = vec![there.clone(), property.clone()];
                    for one in &mut both {
                        if let Some(one) = one.as_object_mut() {
                            one.remove("description");
                        }
                    }
                    both.dedup();
                    *there = json!({"description": description, "anyOf": both});
                }
                None => {
                    properties.insert(name.clone(), property.clone());
                }
            }
        }
        let names: Vec<Value> = more.keys().cloned().map(Value::from).collect();
        if let Some(Value::Array(required)) = object.get_mut("required") {
            required.extend(names.into_iter().filter(|name| {
                forms.iter().all(|form| {
                    form["required"]
                        .as_array()
                        .is_some_and(|required| required.contains(name))
                })
            }));
            let mut seen = BTreeSet::new();
            required.retain(|name| seen.insert(name.to_string()));
        }
    }
}

fn may_be_null(schema: &Value) -> bool {
    schema["type"]
        .as_array()
        .is_some_and(|types| types.iter().any(|name| name == "null"))
}

/// The words of a doc comment, for readers of JSON: what is `None` in Rust is null there.
fn in_json(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.replace("[`", "`").replace("`]", "`");
    let text = text.replace("`None`", "null");
    let text = text.replace("; none ", "; null ");
    let text = text.replace(", none ", ", null ");
    text.replace("None if ", "Null if ")
        .replace("None when ", "Null when ")
        .replace("None only ", "Null only ")
}
