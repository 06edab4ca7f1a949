"""scikit-learn and Tensors: estimators, pipelines, metrics and splits."""

import pytest

from tests.neighbours import check, rows

pytest.importorskip("sklearn")

ROOMS = """linear_model decomposition cluster ensemble pipeline model_selection neighbors svm preprocessing metrics
impute gaussian_process mixture"""
SETUP = (f"import {', '.join(f'sklearn.{room}' for room in ROOMS.split())}; import sklearn as sk; "
         "X = np.sin(np.arange(120.0).reshape(30, 4)) * 2 + np.arange(30)[:, None] / 20; "
         "y = (X[:, 0] > X[:, 1]).astype(int)")  # fmt: skip

PROGRAMS = """
sk.linear_model.LinearRegression().fit(X, X[:, 0] * 2).coef_ | sk.linear_model.LogisticRegression().fit(X, y).predict_proba(X)
sk.linear_model.Ridge().fit(X, y).predict(X) - y | sk.linear_model.Lasso(0.1).fit(X, y).score(X, y)
sk.preprocessing.StandardScaler().fit_transform(X) * s | sk.preprocessing.MinMaxScaler().fit(X).transform(X[:3] + 0)
sk.preprocessing.OneHotEncoder().fit_transform(y[:, None]).toarray() | sk.preprocessing.LabelEncoder().fit_transform(text)
sk.preprocessing.PolynomialFeatures(2).fit_transform(X[:2]) | sk.preprocessing.normalize(X) | sk.preprocessing.KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf").fit_transform(X)
sk.decomposition.PCA(2, svd_solver="full").fit_transform(X) | sk.decomposition.NMF(2, max_iter=500, random_state=0).fit_transform(np.abs(X))
sk.cluster.KMeans(2, n_init=1, random_state=0).fit(X).labels_ | sk.cluster.DBSCAN(1.0).fit_predict(X) | sk.cluster.AgglomerativeClustering(2).fit_predict(X)
sk.ensemble.RandomForestClassifier(5, random_state=0).fit(X, y).predict(X) | sk.ensemble.GradientBoostingRegressor(n_estimators=5, random_state=0).fit(X, y).predict(X)
sk.neighbors.KNeighborsClassifier(3).fit(X, y).predict(X) | sk.neighbors.NearestNeighbors(n_neighbors=2).fit(X).kneighbors(X) | sk.svm.SVC().fit(X, y).predict(X)
sk.pipeline.make_pipeline(sk.preprocessing.StandardScaler(), sk.linear_model.LogisticRegression()).fit(X, y).score(X, y)
sk.model_selection.cross_val_score(sk.linear_model.Ridge(), X, X[:, 1], cv=3) | [len(p) for p in sk.model_selection.train_test_split(X, y, random_state=0)]
sk.model_selection.train_test_split(X, y, random_state=0)[0] | [t for _, t in sk.model_selection.KFold(3).split(X)] | sk.model_selection.train_test_split(X, y, stratify=y, random_state=1)[3]
sk.model_selection.GridSearchCV(sk.linear_model.Ridge(), {"alpha": np.logspace(-1, 1, 3)}, cv=2).fit(X, y).best_score_
sk.metrics.accuracy_score(y, 1 - y) | sk.metrics.mean_squared_error(X[:, 0], X[:, 1]) | sk.metrics.confusion_matrix(y, y) | sk.metrics.roc_auc_score(y, X[:, 0])
sk.metrics.pairwise_distances(X) | sk.metrics.r2_score(v, v + 0.1) | sk.metrics.classification_report(y, y) | sk.metrics.silhouette_score(X, y) | sk.metrics.f1_score(y, y)
sk.impute.SimpleImputer().fit_transform(np.where(X > 1, np.nan, X)) | sk.gaussian_process.GaussianProcessRegressor().fit(X[:5], y[:5]).predict(X[:2])
sk.mixture.GaussianMixture(2, random_state=0).fit(X).means_ | sk.linear_model.SGDClassifier(random_state=0).partial_fit(X, y, classes=np.unique(y)).coef_
"""  # noqa: E501


@pytest.mark.parametrize("program", rows(PROGRAMS))
def test_gives_what_numpys_arrays_give(program):
    check(f"{SETUP}; {program}")
