"""Reports: pure functions from the store's rows to what there is to tell, and its renderers."""
