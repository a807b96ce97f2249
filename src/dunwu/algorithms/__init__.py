"""The mathematics: advantages, surrogates, KL estimators, reductions and the algorithms made of them."""
