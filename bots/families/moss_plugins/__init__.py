"""What a model may call while it answers: a calculator and an equation solver."""
