"""Packs and deductions as Kling's account routes show them, read tolerantly.

facts: costs-pack, ledger-package, ledger-row-fields, ledger-cash-fields
"""

from __future__ import annotations

from kling_mcp.api.models import FromKling, Id, Milliseconds, Text


class Pack(FromKling):
    """A pack of units. Quantities are numbers as text; times are Unix milliseconds, 0 if unknown."""

    resource_pack_name: Text = ""
    resource_pack_id: Id = ""
    total_quantity: Text = ""
    remaining_quantity: Text = ""
    invalid_time: Milliseconds = 0
    status: Text = ""


class Deduction(FromKling):
    """What one task cost: units, or money if there is a `currency`. `model_name` is "" for elements and voices."""

    package_id: Id = ""
    product_type: Text = ""
    product_function: Text = ""
    task_id: Id = ""
    model_name: Text = ""
    deduction_time: Milliseconds = 0
    deduction_amount: Text = ""
    currency: Text = ""
