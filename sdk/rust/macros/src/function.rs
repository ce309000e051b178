//! The functions of a contract: a method each, and one export behind all of them.

use malla_contract::{Argument, Column, Contract, Function};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use crate::types::{Field, Unfit, identifier};

/// What a function's code is made of.
struct Parts<'a> {
    function: &'a Function,
    ident: Ident,
    arguments: Vec<Field>,
    returns: Field,
}

/// The methods of the trait that the author implements.
pub(crate) fn methods(contract: &Contract) -> Result<Vec<TokenStream>, Unfit> {
    let parts = all(contract)?;
    Ok(parts.iter().map(Parts::method).collect())
}

/// The module that calls them, and the export; nothing where the contract has no functions.
pub(crate) fn module_and_export(
    plugin: &Ident,
    contract: &Contract,
) -> Result<(TokenStream, TokenStream), Unfit> {
    let parts = all(contract)?;
    if parts.is_empty() {
        return Ok((TokenStream::new(), TokenStream::new()));
    }
    if let Some(step) = contract.steps.iter().find(|step| step.name == "functions") {
        return Err(Unfit::new(
            &step.name,
            "is the module of the contract's functions",
        ));
    }
    let columns = parts.iter().map(|parts| parts.column(plugin));
    let tests = parts.iter().map(Parts::test);
    let arms = parts.iter().map(|parts| {
        let (name, column) = (&parts.function.name, parts.column_ident());
        quote!(#name => functions::#column,)
    });
    let module = quote! {
        /// The functions of the contract as the host calls them, for tests.
        #[allow(dead_code, reason = "a plugin need not test every function this way")]
        pub mod functions {
            #(#columns)*
            #(#tests)*
        }
    };
    let export = quote! {
        #[cfg(target_arch = "wasm32")]
        impl ::malla_sdk::bindings::functions::Guest for Exports {
            fn call(
                function: ::std::string::String,
                rows: u32,
                columns: ::std::vec::Vec<::malla_sdk::bindings::malla::plugin::columns::Column>,
            ) -> ::core::result::Result<
                ::malla_sdk::bindings::malla::plugin::columns::Column,
                ::std::string::String,
            > {
                let function = match function.as_str() {
                    #(#arms)*
                    _ => return ::core::result::Result::Err(
                        ::std::string::String::from("the plugin has no such function"),
                    ),
                };
                ::malla_sdk::function::call(&columns, rows, function)
            }
        }

        #[cfg(target_arch = "wasm32")]
        ::malla_sdk::bindings::functions::export!(Exports with_types_in ::malla_sdk::bindings::functions);
    };
    Ok((module, export))
}

fn all(contract: &Contract) -> Result<Vec<Parts<'_>>, Unfit> {
    contract.functions.iter().map(Parts::of).collect()
}

impl<'a> Parts<'a> {
    fn of(function: &'a Function) -> Result<Self, Unfit> {
        let arguments = function.arguments.iter();
        Ok(Self {
            ident: identifier(&function.name)?,
            arguments: arguments
                .map(|argument| Field::of(&column(argument)))
                .collect::<Result<_, _>>()?,
            returns: Field::of(&column(&Argument {
                name: function.name.clone(),
                ty: function.returns,
                required: function.returns_required,
                description: None,
            }))?,
            function,
        })
    }

    fn method(&self) -> TokenStream {
        let (ident, returns) = (&self.ident, self.returns.owned());
        let about = self
            .function
            .description
            .as_deref()
            .unwrap_or("A function for SQL.");
        let about = format!(" {about} It must depend on nothing but its arguments.");
        let arguments = self.arguments.iter().map(|field| {
            let (ident, value) = (&field.ident, field.argument());
            quote!(#ident: #value)
        });
        quote! {
            #[doc = #about]
            ///
            /// # Errors
            ///
            /// What makes the whole product useless: it stays as it was.
            fn #ident(#(#arguments),*) -> ::core::result::Result<#returns, ::malla_sdk::Error>;
        }
    }

    fn column_ident(&self) -> Ident {
        format_ident!("__{}", self.function.name)
    }

    /// The function over columns.
    fn column(&self, plugin: &Ident) -> TokenStream {
        let (ident, column, returns) = (&self.ident, self.column_ident(), self.returns.kind());
        // Names of the contract do not begin so.
        let locals: Vec<Ident> = (0..self.arguments.len())
            .map(|place| format_ident!("__{place}"))
            .collect();
        let borrowed = self.arguments.iter().enumerate().map(|(place, field)| {
            let (local, kind, name) = (format_ident!("__{place}"), field.kind(), &field.column.name);
            quote!(let #local = arguments.at::<#kind>(#place, #name)?;)
        });
        quote! {
            #[doc(hidden)]
            pub fn #column(
                arguments: ::malla_sdk::function::Arguments<'_>,
            ) -> ::core::result::Result<
                ::malla_sdk::bindings::malla::plugin::columns::Column,
                ::malla_sdk::Error,
            > {
                #(#borrowed)*
                arguments.each::<#returns>(|row, values| {
                    values.push(<super::#plugin as super::Plugin>::#ident(#(#locals.at(row)),*)?);
                    ::core::result::Result::Ok(())
                })
            }
        }
    }

    /// The function over rows of plain values.
    fn test(&self) -> TokenStream {
        let (ident, column) = (&self.ident, self.column_ident());
        let (returns, value, name) = (self.returns.kind(), self.returns.owned(), &self.function.name);
        let types = self.arguments.iter().map(Field::argument);
        let columns = self.arguments.iter().enumerate().map(|(place, field)| {
            let (place, kind) = (syn::Index::from(place), field.kind());
            quote!(::malla_sdk::testing::column::<#kind, _>(rows.iter().map(|row| row.#place)))
        });
        let about = format!(" `{}`, for every row.", self.function);
        let owned = self.returns.to_owned_value();
        quote! {
            #[doc = #about]
            ///
            /// # Errors
            ///
            /// What the function says, and what the host would say of a value that breaks the contract.
            #[cfg(not(target_arch = "wasm32"))]
            pub fn #ident(
                rows: &[(#(#types,)*)],
            ) -> ::core::result::Result<::std::vec::Vec<#value>, ::malla_sdk::Error> {
                let columns = [#(#columns),*];
                let arguments = ::malla_sdk::function::Arguments::new(&columns, rows.len());
                let column = #column(arguments)?;
                let values = ::malla_sdk::testing::values::<#returns>(&column, rows.len(), #name)?;
                ::core::result::Result::Ok(values.into_iter()#owned.collect())
            }
        }
    }
}

/// An argument as a column, so that types are made in one place.
fn column(argument: &Argument) -> Column {
    Column {
        name: argument.name.clone(),
        ty: argument.ty,
        required: argument.required,
        unique: false,
        primary_key: false,
        partition: None,
        classification: malla_contract::Classification::default(),
        tags: std::collections::BTreeSet::new(),
        holds: std::collections::BTreeSet::new(),
        description: argument.description.clone(),
        quality: Vec::new(),
    }
}
