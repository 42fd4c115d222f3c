"""Plugins of MOSS: a calculator and an equation solver that run in a process of their own."""
