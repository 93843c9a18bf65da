"""Throws what nobody would send at the recogniser of plain HTTP; ``make fuzz`` runs it."""
