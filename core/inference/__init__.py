"""Using a trained model: texts to probabilities, file to file. Knows no training and no database."""
