//! Functions that a plugin exports, for the SQL that makes its own products.

mod trial;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::ArrayRef;
use arrow_schema::Field;
use malla_contract::{Contract, Function};
use malla_query::{Functions, Input, NotComputed};
use malla_sandbox::{CallError, Failure, LogLine, Plugin};

pub use trial::FunctionTrial;
pub(crate) use trial::try_function;

const WITHHELD: &str =
    "withheld: the query sees values behind masks, and what the function says may quote them";

/// The functions of one plugin, for one product.
pub(crate) struct PluginFunctions {
    plugin: Plugin,
    declared: Vec<Function>,
    /// `domain.product`.
    product: String,
    /// What the plugin says may be told. Not before it is known what it sees.
    may_talk: AtomicBool,
}

impl PluginFunctions {
    /// `None`: the contract declares none.
    pub(crate) fn of(plugin: &Plugin, contract: &Contract, product: &str) -> Option<Arc<Self>> {
        if contract.functions.is_empty() {
            return None;
        }
        Some(Arc::new(Self {
            plugin: plugin.clone(),
            declared: contract.functions.clone(),
            product: product.to_owned(),
            may_talk: AtomicBool::new(false),
        }))
    }

    /// What the query reads, as it sees it. What a plugin says that sees values behind masks is kept from everybody, as with
    /// steps.
    pub(crate) fn reads(&self, inputs: &[Input]) {
        let mut columns = inputs.iter().flat_map(|input| input.columns.values());
        let secret = columns.any(malla_contract::Column::needs_mask);
        self.may_talk.store(!secret, Ordering::Relaxed);
    }

    fn told<'a>(&self, message: &'a str) -> &'a str {
        if self.may_talk.load(Ordering::Relaxed) {
            message
        } else {
            WITHHELD
        }
    }

    fn pass_on(&self, function: &Function, log: &[LogLine]) {
        for line in log {
            let message = self.told(&line.message);
            tracing::info!(product = self.product, function = function.name, level = ?line.level, message, "A plugin says.");
        }
    }
}

impl Functions for PluginFunctions {
    fn declared(&self) -> &[Function] {
        &self.declared
    }

    fn call(
        &self,
        function: &Function,
        arguments: &[ArrayRef],
        rows: usize,
    ) -> Result<ArrayRef, NotComputed> {
        match self.plugin.call(&exported(function), arguments, rows) {
            Ok(called) => {
                self.pass_on(function, &called.log);
                Ok(called.values)
            }
            Err(error) => {
                self.pass_on(function, &error.log);
                let why = why(&error);
                let said = error.to_string();
                tracing::warn!(
                    product = self.product,
                    function = function.name,
                    why,
                    error = self.told(&said),
                    "A function failed in the sandbox."
                );
                Err(NotComputed {
                    why,
                    may_pass: matches!(*error.failure, Failure::Engine { .. }),
                })
            }
        }
    }
}

/// A function as the sandbox knows it.
pub(crate) fn exported(function: &Function) -> malla_sandbox::Function {
    malla_sandbox::Function {
        name: function.name.clone(),
        returns: Field::new(
            &function.name,
            function.returns.arrow(),
            !function.returns_required,
        ),
    }
}

/// What happened, in words that none of the plugin's are among: they may quote a value.
fn why(error: &CallError) -> String {
    let what = match &*error.failure {
        Failure::Refused { .. } => "it refused a batch; the host's log has its words".to_owned(),
        Failure::Trap { kind, backtrace, .. } => Failure::Trap {
            kind: kind.clone(),
            panic: None,
            backtrace: backtrace.clone(),
        }
        .to_string(),
        other => other.to_string(),
    };
    let (function, plugin) = (&error.function, &error.plugin);
    format!(
        "function `{function}` of `{}` {}: {what}",
        plugin.name, plugin.version
    )
}
