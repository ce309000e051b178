//! Names and types of the contract, in Rust.

use std::fmt;

use malla_contract::{Column, ColumnType, rust_identifier};
use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

/// A name that Rust cannot have.
#[derive(Debug)]
pub(crate) struct Unfit {
    name: String,
    why: &'static str,
}

impl Unfit {
    pub(crate) fn new(name: &str, why: &'static str) -> Self {
        Self {
            name: name.to_owned(),
            why,
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}: rename it", self.name, self.why)
    }
}

pub(crate) fn identifier(name: &str) -> Result<Ident, Unfit> {
    syn::parse_str(&rust_identifier(name)).map_err(|_| Unfit::new(name, "is no name in Rust"))
}

/// `monto_no_positivo` becomes `MontoNoPositivo`.
pub(crate) fn variant(name: &str) -> Result<Ident, Unfit> {
    let mut camel = String::with_capacity(name.len());
    for word in name.split(['_', '-']) {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    syn::parse_str(&camel).map_err(|_| Unfit::new(name, "is no name in Rust"))
}

/// A column of a source or a product.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) column: Column,
}

impl Field {
    pub(crate) fn of(column: &Column) -> Result<Self, Unfit> {
        Ok(Self {
            ident: identifier(&column.name)?,
            column: column.clone(),
        })
    }

    /// The marker type: `Text`, or `Option<Text>` where nulls are allowed.
    pub(crate) fn kind(&self) -> TokenStream {
        let kind = match self.column.ty {
            ColumnType::Boolean => quote!(bool),
            ColumnType::Int32 => quote!(i32),
            ColumnType::Int64 => quote!(i64),
            ColumnType::Float64 => quote!(f64),
            ColumnType::Decimal { precision, scale } => quote!(::malla_sdk::Numeric<#precision, #scale>),
            ColumnType::Utf8 => quote!(::malla_sdk::Text),
            ColumnType::Date => quote!(::malla_sdk::Date),
            ColumnType::Timestamp => quote!(::malla_sdk::Timestamp),
        };
        self.optional(kind)
    }

    /// The type of one value, with texts borrowed for `'a`.
    pub(crate) fn value(&self) -> TokenStream {
        self.valued(quote!(&'a str))
    }

    /// The type of one value that a function is given.
    pub(crate) fn argument(&self) -> TokenStream {
        self.valued(quote!(&str))
    }

    /// The type of one value that a function gives.
    pub(crate) fn owned(&self) -> TokenStream {
        self.valued(quote!(::std::string::String))
    }

    /// From values of a column to those that a function gives.
    pub(crate) fn to_owned_value(&self) -> TokenStream {
        match (self.is_text(), self.column.required) {
            (false, _) => TokenStream::new(),
            (true, true) => quote!(.map(::std::borrow::ToOwned::to_owned)),
            (true, false) => quote!(.map(|value| value.map(::std::borrow::ToOwned::to_owned))),
        }
    }

    fn valued(&self, text: TokenStream) -> TokenStream {
        let value = match self.column.ty {
            ColumnType::Boolean => quote!(bool),
            ColumnType::Int32 => quote!(i32),
            ColumnType::Int64 => quote!(i64),
            ColumnType::Float64 => quote!(f64),
            ColumnType::Decimal { scale, .. } => quote!(::malla_sdk::Decimal<#scale>),
            ColumnType::Utf8 => text,
            ColumnType::Date => quote!(::malla_sdk::Date),
            ColumnType::Timestamp => quote!(::malla_sdk::Timestamp),
        };
        self.optional(value)
    }

    pub(crate) fn is_text(&self) -> bool {
        self.column.ty == ColumnType::Utf8
    }

    /// `decimal(18,2), required. Amount in moneda.`
    pub(crate) fn doc(&self) -> String {
        let required = if self.column.required { ", required" } else { "" };
        let description = self.column.description.as_deref().unwrap_or_default();
        format!(" `{}`{required}. {description}", self.column.ty)
    }

    fn optional(&self, inner: TokenStream) -> TokenStream {
        if self.column.required {
            inner
        } else {
            quote!(::core::option::Option<#inner>)
        }
    }
}
