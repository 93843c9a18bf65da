"""What flowspan costs the program that it watches, as ratios to hand-written OpenTelemetry code."""
