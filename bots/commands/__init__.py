"""Commands on model files, one public function a module: convert, apply_delta, quantize, fetch.

These modules import no model library until their function is called.
"""
