//! Adds checks to a template's tree, around everything that creates a list, an object or a text,
//! and gives some constructs the meaning that they have in Python.
//!
//! The parser's tree cannot be changed in place, so a new one is built from it. It renders the same
//! text, or an error.

use minijinja::Environment;
use minijinja::machinery::Span;
use minijinja::machinery::ast::{self, CallArg, Expr, Spanned, Stmt};

use super::{printf, text, values};

// Templates can neither call nor replace these functions, because names have no spaces.
const CHECKED: &str = "checked value";
// A filter's name loses its spaces.
const CHECKED_BLOCK: &str = "checked-block";
const KEPT: &str = "kept value";
const UNUSED: &str = "unused value";
const PERCENT: &str = "percent sign";
const CONCAT: &str = "joined texts";
const MISSING: &str = "missing value";

/// Adds the functions that a guarded tree calls to the environment. If lists grow, each list that
/// the template makes can be appended to.
pub(super) fn install(environment: &mut Environment<'static>, lists_grow: bool) {
    if lists_grow {
        environment.add_function(CHECKED, values::checked_growing);
    } else {
        environment.add_function(CHECKED, values::checked);
    }
    environment.add_filter(CHECKED_BLOCK, values::checked);
    environment.add_function(KEPT, values::kept);
    environment.add_function(PERCENT, printf::percent);
    environment.add_function(CONCAT, text::concat);
}

/// The guarded tree of a template.
pub(super) fn statement<'a>(tree: &Stmt<'a>) -> Stmt<'a> {
    match tree {
        Stmt::Template(of) => {
            let children = body(&of.children);
            Stmt::Template(Spanned::new(ast::Template { children }, of.span()))
        }
        Stmt::EmitExpr(of) => {
            let expr = expression(&of.expr);
            Stmt::EmitExpr(Spanned::new(ast::EmitExpr { expr }, of.span()))
        }
        Stmt::EmitRaw(of) => Stmt::EmitRaw(Spanned::new(ast::EmitRaw { raw: of.raw }, of.span())),
        Stmt::ForLoop(of) => {
            let node = ast::ForLoop {
                target: target(&of.target),
                iter: expression(&of.iter),
                filter_expr: of.filter_expr.as_ref().map(expression),
                recursive: of.recursive,
                body: body(&of.body),
                else_body: body(&of.else_body),
            };
            Stmt::ForLoop(Spanned::new(node, of.span()))
        }
        Stmt::IfCond(of) => {
            let node = ast::IfCond {
                expr: expression(&of.expr),
                true_body: body(&of.true_body),
                false_body: body(&of.false_body),
            };
            Stmt::IfCond(Spanned::new(node, of.span()))
        }
        Stmt::WithBlock(of) => {
            let assign = |(to, from): &(Expr<'a>, Expr<'a>)| assignment(to, from);
            let node = ast::WithBlock {
                assignments: of.assignments.iter().map(assign).collect(),
                body: body(&of.body),
            };
            Stmt::WithBlock(Spanned::new(node, of.span()))
        }
        Stmt::Set(of) => {
            let (target, expr) = assignment(&of.target, &of.expr);
            Stmt::Set(Spanned::new(ast::Set { target, expr }, of.span()))
        }
        Stmt::SetBlock(of) => {
            let node = ast::SetBlock {
                target: target(&of.target),
                filter: Some(match &of.filter {
                    Some(filter) => expression(filter),
                    None => checked_block(of.span()),
                }),
                body: body(&of.body),
            };
            Stmt::SetBlock(Spanned::new(node, of.span()))
        }
        Stmt::AutoEscape(of) => {
            let node = ast::AutoEscape {
                enabled: expression(&of.enabled),
                body: body(&of.body),
            };
            Stmt::AutoEscape(Spanned::new(node, of.span()))
        }
        Stmt::FilterBlock(of) => {
            let node = ast::FilterBlock {
                filter: expression(&of.filter),
                filter_span: of.filter_span,
                body: body(&of.body),
            };
            Stmt::FilterBlock(Spanned::new(node, of.span()))
        }
        Stmt::Macro(of) => Stmt::Macro(macro_of(of)),
        Stmt::CallBlock(of) => {
            let node = ast::CallBlock {
                call: call(&of.call),
                call_expr_span: of.call_expr_span,
                macro_decl: macro_of(&of.macro_decl),
            };
            Stmt::CallBlock(Spanned::new(node, of.span()))
        }
        // The engine would leave the value on its stack.
        Stmt::Do(of) => {
            let expr = checked(Expr::Call(call(&of.call)), of.span());
            let target = variable(UNUSED, of.span());
            Stmt::Set(Spanned::new(ast::Set { target, expr }, of.span()))
        }
        Stmt::Continue(of) => Stmt::Continue(Spanned::new(ast::Continue, of.span())),
        Stmt::Break(of) => Stmt::Break(Spanned::new(ast::Break, of.span())),
    }
}

fn body<'a>(statements: &[Stmt<'a>]) -> Vec<Stmt<'a>> {
    statements.iter().map(statement).collect()
}

fn macro_of<'a>(of: &Spanned<ast::Macro<'a>>) -> Spanned<ast::Macro<'a>> {
    let args: Vec<Expr<'a>> = of.args.iter().map(target).collect();
    let is_constant = |default: &Expr<'a>| matches!(default, Expr::Const(_));
    if of.defaults.iter().all(is_constant) {
        let node = ast::Macro {
            name: of.name,
            args,
            defaults: of.defaults.iter().map(expression).collect(),
            body: body(&of.body),
        };
        return Spanned::new(node, of.span());
    }
    // In Python, a default may name an earlier parameter. The engine computes them in another
    // order, so the macro begins with assignments.
    let first = of.args.len().saturating_sub(of.defaults.len());
    let with_default = of.args.iter().skip(first).zip(&of.defaults);
    let mut whole: Vec<Stmt<'a>> = with_default
        .filter_map(|(arg, default)| match arg {
            Expr::Var(arg) => Some(assign_default(arg, default)),
            _ => None,
        })
        .collect();
    whole.extend(body(&of.body));
    let defaults = of.defaults.iter();
    let node = ast::Macro {
        name: of.name,
        args,
        defaults: defaults
            .map(|default| variable(MISSING, default.span()))
            .collect(),
        body: whole,
    };
    Spanned::new(node, of.span())
}

/// `{% if arg is undefined %}{% set arg = default %}{% endif %}`.
fn assign_default<'a>(arg: &Spanned<ast::Var<'a>>, default: &Expr<'a>) -> Stmt<'a> {
    let span = arg.span();
    let test = ast::Test {
        name: "undefined",
        expr: variable(arg.id, span),
        args: Vec::new(),
    };
    let set = ast::Set {
        target: variable(arg.id, span),
        expr: expression(default),
    };
    let node = ast::IfCond {
        expr: Expr::Test(Spanned::new(test, span)),
        true_body: vec![Stmt::Set(Spanned::new(set, span))],
        false_body: Vec::new(),
    };
    Stmt::IfCond(Spanned::new(node, span))
}

/// The target of an assignment.
fn target<'a>(of: &Expr<'a>) -> Expr<'a> {
    match of {
        Expr::List(list) => {
            let items = list.items.iter().map(target).collect();
            Expr::List(Spanned::new(ast::List { items }, list.span()))
        }
        Expr::Tuple(tuple) => {
            let items = tuple.items.iter().map(target).collect();
            Expr::Tuple(Spanned::new(ast::Tuple { items }, tuple.span()))
        }
        Expr::GetAttr(of) => {
            let node = ast::GetAttr {
                // Counts the size of the namespace before another value is added.
                expr: checked(expression(&of.expr), of.span()),
                name: of.name,
            };
            Expr::GetAttr(Spanned::new(node, of.span()))
        }
        other => expression(other),
    }
}

/// The target of an assignment, and the value.
fn assignment<'a>(to: &Expr<'a>, from: &Expr<'a>) -> (Expr<'a>, Expr<'a>) {
    match to {
        // A counter in a loop over all messages: a number does not grow.
        Expr::GetAttr(of) if is_scalar(from) => {
            let node = ast::GetAttr {
                expr: expression(&of.expr),
                name: of.name,
            };
            let to = Expr::GetAttr(Spanned::new(node, of.span()));
            (to, expression(from))
        }
        Expr::GetAttr(of) => {
            let kept = calling(KEPT, expression(from), of.span());
            (target(to), kept)
        }
        _ => (target(to), expression(from)),
    }
}

/// Whether an expression is surely a number, a truth value, a constant, or an error.
fn is_scalar(of: &Expr<'_>) -> bool {
    let is_number = |of: &Expr<'_>| matches!(of, Expr::Const(of) if of.value.is_number());
    match of {
        Expr::Const(_) | Expr::Compare(_) | Expr::Test(_) => true,
        Expr::UnaryOp(of) => matches!(of.op, ast::UnaryOpKind::Not),
        Expr::BinOp(of) => match of.op {
            ast::BinOpKind::Add | ast::BinOpKind::Sub => {
                is_number(&of.left) || is_number(&of.right)
            }
            _ => false,
        },
        Expr::IfExpr(of) => {
            is_scalar(&of.true_expr) && of.false_expr.as_ref().is_some_and(is_scalar)
        }
        _ => false,
    }
}

fn expression<'a>(expr: &Expr<'a>) -> Expr<'a> {
    match expr {
        Expr::Var(of) => variable(of.id, of.span()),
        Expr::Const(of) => {
            let value = of.value.clone();
            Expr::Const(Spanned::new(ast::Const { value }, of.span()))
        }
        Expr::Slice(of) => {
            let node = ast::Slice {
                expr: expression(&of.expr),
                start: of.start.as_ref().map(expression),
                stop: of.stop.as_ref().map(expression),
                step: of.step.as_ref().map(expression),
            };
            checked(Expr::Slice(Spanned::new(node, of.span())), of.span())
        }
        Expr::UnaryOp(of) => {
            #[expect(
                clippy::needless_match,
                reason = "the operator is neither Copy nor Clone"
            )]
            let op = match of.op {
                ast::UnaryOpKind::Not => ast::UnaryOpKind::Not,
                ast::UnaryOpKind::Neg => ast::UnaryOpKind::Neg,
            };
            let expr = expression(&of.expr);
            Expr::UnaryOp(Spanned::new(ast::UnaryOp { op, expr }, of.span()))
        }
        Expr::BinOp(of) if matches!(of.op, ast::BinOpKind::Rem | ast::BinOpKind::Concat) => {
            let name = match of.op {
                ast::BinOpKind::Rem => PERCENT,
                _ => CONCAT,
            };
            let node = ast::Call {
                expr: variable(name, of.span()),
                args: [&of.left, &of.right]
                    .map(|of| CallArg::Pos(expression(of)))
                    .into(),
            };
            Expr::Call(Spanned::new(node, of.span()))
        }
        Expr::BinOp(of) => {
            let node = ast::BinOp {
                op: of.op,
                left: expression(&of.left),
                right: expression(&of.right),
            };
            let made = Expr::BinOp(Spanned::new(node, of.span()));
            match of.op {
                _ if is_scalar(expr) => made,
                ast::BinOpKind::Add | ast::BinOpKind::Mul => checked(made, of.span()),
                _ => made,
            }
        }
        Expr::Compare(of) => {
            let compared = |of: &ast::CompareOp<'a>| ast::CompareOp {
                op: of.op,
                expr: expression(&of.expr),
            };
            let node = ast::Compare {
                expr: expression(&of.expr),
                ops: of.ops.iter().map(compared).collect(),
            };
            Expr::Compare(Spanned::new(node, of.span()))
        }
        Expr::IfExpr(of) => {
            let node = ast::IfExpr {
                test_expr: expression(&of.test_expr),
                true_expr: expression(&of.true_expr),
                false_expr: of.false_expr.as_ref().map(expression),
            };
            Expr::IfExpr(Spanned::new(node, of.span()))
        }
        Expr::Filter(of) => {
            let node = ast::Filter {
                name: of.name,
                expr: of.expr.as_ref().map(expression),
                args: arguments(&of.args),
            };
            checked(Expr::Filter(Spanned::new(node, of.span())), of.span())
        }
        Expr::Test(of) => {
            let node = ast::Test {
                name: of.name,
                expr: expression(&of.expr),
                args: arguments(&of.args),
            };
            Expr::Test(Spanned::new(node, of.span()))
        }
        Expr::GetAttr(of) => {
            let expr = expression(&of.expr);
            let name = of.name;
            Expr::GetAttr(Spanned::new(ast::GetAttr { expr, name }, of.span()))
        }
        Expr::GetItem(of) => {
            let node = ast::GetItem {
                expr: expression(&of.expr),
                subscript_expr: expression(&of.subscript_expr),
            };
            Expr::GetItem(Spanned::new(node, of.span()))
        }
        Expr::Call(of) => checked(Expr::Call(call(of)), of.span()),
        Expr::List(of) => {
            let items = of.items.iter().map(expression).collect();
            let list = Expr::List(Spanned::new(ast::List { items }, of.span()));
            checked(list, of.span())
        }
        Expr::Tuple(of) => {
            let items = of.items.iter().map(expression).collect();
            let tuple = Expr::Tuple(Spanned::new(ast::Tuple { items }, of.span()));
            checked(tuple, of.span())
        }
        Expr::Map(of) => {
            let node = ast::Map {
                keys: of.keys.iter().map(expression).collect(),
                values: of.values.iter().map(expression).collect(),
            };
            checked(Expr::Map(Spanned::new(node, of.span())), of.span())
        }
    }
}

fn call<'a>(of: &Spanned<ast::Call<'a>>) -> Spanned<ast::Call<'a>> {
    let node = ast::Call {
        // The engine treats methods and names specially, so they are unchanged.
        expr: expression(&of.expr),
        args: arguments(&of.args),
    };
    Spanned::new(node, of.span())
}

fn arguments<'a>(of: &[CallArg<'a>]) -> Vec<CallArg<'a>> {
    let argument = |of: &CallArg<'a>| match of {
        CallArg::Pos(value) => CallArg::Pos(expression(value)),
        CallArg::Kwarg(name, value) => CallArg::Kwarg(name, expression(value)),
        CallArg::PosSplat(value) => CallArg::PosSplat(expression(value)),
        CallArg::KwargSplat(value) => CallArg::KwargSplat(expression(value)),
    };
    of.iter().map(argument).collect()
}

fn variable(id: &str, span: Span) -> Expr<'_> {
    Expr::Var(Spanned::new(ast::Var { id }, span))
}

/// The check of a block's text, as its filter.
fn checked_block<'a>(span: Span) -> Expr<'a> {
    let node = ast::Filter {
        name: CHECKED_BLOCK,
        expr: None,
        args: Vec::new(),
    };
    Expr::Filter(Spanned::new(node, span))
}

fn checked(value: Expr<'_>, span: Span) -> Expr<'_> {
    calling(CHECKED, value, span)
}

/// A call of one of this module's functions.
fn calling<'a>(name: &'static str, value: Expr<'a>, span: Span) -> Expr<'a> {
    let node = ast::Call {
        expr: variable(name, span),
        args: vec![CallArg::Pos(value)],
    };
    Expr::Call(Spanned::new(node, span))
}
