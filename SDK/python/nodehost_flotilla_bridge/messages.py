"""Tables for wire.py: nodehost's trainer.proto, and the EdgeService that Flotilla's clients serve."""

# nodehost.learning.Trainer
DATA_SET = {1: ("id", "text"), 2: ("samples", "int")}
DESCRIPTION = {1: ("name", "text"), 2: ("hardware", "text"), 3: ("data_sets", [DATA_SET]), 4: ("models", ["text"]),
               5: ("forms", ["text"]), 6: ("capabilities", ["text"])}
TASK = {1: ("session", "text"), 2: ("ticket", "int"), 3: ("version", "int"), 4: ("training", "text"),
        5: ("model", "text"), 6: ("form", "text"), 7: ("bytes", "int"), 8: ("sha256", "text"), 9: ("seed", "int")}
TRAIN_REQUEST = {1: ("task", TASK), 2: ("piece", "bytes")}
QUALITY = {1: ("samples", "int"), 2: ("loss", "double"), 3: ("accuracy", "double")}
UPDATE = {1: ("quality", QUALITY), 2: ("bytes", "int"), 3: ("seconds", "double")}
TRAIN_ANSWER = {2: ("update", UPDATE), 3: ("piece", "bytes")}

# EdgeService
ECHO = {1: ("text", "text")}
META_DATA = {1: ("model_id", "text"), 2: ("file_name", "text")}
UPLOAD = {1: ("metadata", META_DATA), 2: ("chunk_data", "bytes")}
TRAINING = {1: ("session_id", "text"), 2: ("model_id", "text"), 3: ("model_class", "text"),
            4: ("model_config", "bytes"), 5: ("dataset_id", "text"), 6: ("model_wts", "bytes"),
            7: ("batch_size", "int"), 8: ("learning_rate", "float"), 9: ("num_epochs", "int"),
            10: ("round_idx", "int"), 11: ("optimizer", "bytes"), 12: ("loss_function", "bytes"),
            13: ("timeout_duration_s", "float")}
TRAINED = {1: ("model_id", "text"), 2: ("model_weights", "bytes"), 3: ("client_id", "text"), 4: ("round_idx", "int"),
           5: ("metrics", "bytes")}
VALIDATION = {1: ("session_id", "text"), 2: ("model_id", "text"), 3: ("model_class", "text"),
              4: ("model_config", "bytes"), 5: ("dataset_id", "text"), 6: ("model_wts", "bytes"),
              7: ("batch_size", "int"), 8: ("round_idx", "int"), 9: ("optimizer", "bytes"),
              10: ("loss_function", "bytes")}
VALIDATED = {1: ("model_id", "text"), 2: ("client_id", "text"), 3: ("round_idx", "int"), 4: ("metrics", "bytes")}
