"""Small trained models on cached features; `registry` names them, `base` says what each must do."""
