//! Typed steps from a data contract, for malla-sdk.
//!
//! The contract is read when the plugin is compiled. Its mistakes are the compiler's errors, with line and field.

mod function;
mod lookups;
mod rows;
mod step;
mod types;

use std::path::Path;

use malla_contract::Contract;
use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Ident, LitStr, Token, parse_macro_input};

/// Generates a plugin's types from its contract and exports the plugin: see the `malla_sdk` crate.
#[proc_macro]
pub fn plugin(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let arguments = parse_macro_input!(input as Arguments);
    expand(&arguments)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// `Ventas, "contract.yaml"`
struct Arguments {
    plugin: Ident,
    contract: LitStr,
}

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let plugin = input.parse()?;
        input.parse::<Token![,]>()?;
        let contract = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        Ok(Self { plugin, contract })
    }
}

fn expand(arguments: &Arguments) -> syn::Result<TokenStream> {
    let file = arguments.contract.value();
    let fail = |message: String| syn::Error::new(arguments.contract.span(), message);
    let root =
        std::env::var("CARGO_MANIFEST_DIR").map_err(|_| fail("build plugins with cargo".to_owned()))?;
    let text = std::fs::read_to_string(Path::new(&root).join(&file)).map_err(|error| {
        fail(format!(
            "cannot read `{file}`, which is sought beside Cargo.toml: {error}"
        ))
    })?;
    let contract = Contract::parse(&text).map_err(|errors| {
        let mut problems = errors.iter().map(|problem| fail(format!("{file}: {problem}")));
        let mut all = problems
            .next()
            .unwrap_or_else(|| fail(format!("{file}: {errors}")));
        all.extend(problems);
        all
    })?;
    generate(&arguments.plugin, &file, &contract).map_err(|error| fail(format!("{file}: {error}")))
}

fn generate(plugin: &Ident, file: &str, contract: &Contract) -> Result<TokenStream, types::Unfit> {
    let lookups = lookups::module(contract)?;
    let mut modules = Vec::new();
    let mut methods = Vec::new();
    let mut arms = Vec::new();
    for step in &contract.steps {
        let step = step::Parts::of(contract, step)?;
        modules.push(step.module(plugin));
        methods.push(step.method());
        arms.push(step.arm());
    }
    methods.extend(function::methods(contract)?);
    let (functions, functions_export) = function::module_and_export(plugin, contract)?;
    let about = format!(
        "The steps and functions of `{}`, version {}, as `{file}` has them.",
        contract.id, contract.version
    );
    Ok(quote! {
        #lookups
        #(#modules)*
        #functions

        #[doc = #about]
        pub trait Plugin {
            #(#methods)*
        }

        const _: () = {
            // Makes cargo build again when the contract changes.
            const CONTRACT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", #file));

            #[cfg(target_arch = "wasm32")]
            struct Exports;

            #[cfg(target_arch = "wasm32")]
            impl ::malla_sdk::bindings::Guest for Exports {
                fn run(
                    step: ::std::string::String,
                    batch: ::malla_sdk::bindings::Batch,
                ) -> ::core::result::Result<::malla_sdk::bindings::Output, ::std::string::String> {
                    match step.as_str() {
                        #(#arms)*
                        _ => ::core::result::Result::Err(::std::string::String::from("the plugin has no such step")),
                    }
                }
            }

            #[cfg(target_arch = "wasm32")]
            ::malla_sdk::bindings::export!(Exports with_types_in ::malla_sdk::bindings);

            #functions_export
        };
    })
}
