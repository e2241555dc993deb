"""Using what was trained: figures and predictions of a run's checkpoint, on one process or on the ranks of a job.

trained    a run's network with the values of one of its checkpoints
samples    arrays, tables and files as rows that fit the network
run_data   the data of the run's config: which of them, and whether they are its own
predictor  what the network says of rows, block by block
output     .npy files that ranks write into together
csv_output text made of them
not_finite samples that hold NaN or infinity
evaluate   `dtrain evaluate`
predict    `dtrain predict`
model      `dtrain.load`: all of it in one process, without MPI
"""

from .evaluate import Evaluation, evaluate_run
from .model import Model, load_model
from .predict import Prediction, Wanted, predict_run

__all__ = ["Evaluation", "Model", "Prediction", "Wanted", "evaluate_run", "load_model", "predict_run"]
