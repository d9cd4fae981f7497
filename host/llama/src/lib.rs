//! llama.cpp: the only unsafe code of the workspace.
