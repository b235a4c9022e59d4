PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE foveate_schema (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO foveate_schema VALUES(2);
CREATE TABLE foveate_study (
	id INTEGER NOT NULL, 
	uid VARCHAR(32) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	spec JSON NOT NULL, 
	sites JSON NOT NULL, 
	images JSON NOT NULL, 
	classes JSON NOT NULL, 
	space_size TEXT NOT NULL, 
	reference_gflops FLOAT NOT NULL, 
	bare_gflops FLOAT NOT NULL, 
	versions JSON NOT NULL, 
	created DATETIME NOT NULL, 
	seq INTEGER NOT NULL, 
	driver VARCHAR(64), 
	driver_host VARCHAR(255), 
	driver_pid INTEGER, 
	driver_beat DATETIME, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO foveate_study VALUES(1,'316fd9afc15041f28e727393490e9a21','digits','{"plugins": [], "backbone_files": [], "data": {"name": "digits", "root": "data", "image_size": null, "validation": 0.2, "broken": 0.01, "seed": 0}, "space": {"preset": null, "backbone": "resnet8", "backbones": [], "widths": [], "image_sizes": [], "weights": null, "modules": ["eca", "se"], "kinds": [], "stages": [], "sites": ["*"], "granularity": "block", "hyperparameters": "module", "most": null, "identity_init": true}, "recipe": {"epochs": 3, "batch": 32, "optimizer": "sgd", "peak_lr": 0.2, "momentum": 0.9, "schedule": "one-cycle", "warmup": 0.3, "step_every": 30, "step_factor": 0.1, "weight_decay": 0.0005, "clip_norm": null, "ema": 0.0, "loss": "cross-entropy", "label_smoothing": 0.1, "metric": null, "augment": "auto", "shift": 2, "randaugment": 0, "mixup": 0.0, "cutmix": 0.0, "train": "all", "backbone_lr": 1.0, "precision": "float32", "compile": false, "cuda_graphs": true, "seed": 0}, "stopping": {"rule": "pareto", "first": 1, "factor": 2.0, "least": 3, "lately": 3, "tolerance": 0.0, "ties": "epsilon-net"}, "sampler": {"name": "tpe", "startup": 6}, "resources": {"packing": "given", "workers": 1, "threads": 1, "gpus": null, "address": null, "stuck_after": 1800.0}, "trials": 16, "time_budget": null, "seed": 0, "folder": "foveate-runs"}','[{"path": "relu", "kinds": ["stem"], "stage": 0, "block": "", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": []}, {"path": "layer1.0.conv1", "kinds": ["conv"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 16, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer1.0.conv2", "kinds": ["conv"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 16, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer1.0.bn2", "kinds": ["branch"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": []}, {"path": "layer1.0", "kinds": ["block", "stage"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": ["layer1"]}, {"path": "layer2.0.conv1", "kinds": ["conv"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 32, "kernel": [3, 3], "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer2.0.conv2", "kinds": ["conv"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [32, 4, 4], "conv": {"inputs": 32, "outputs": 32, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer2.0.bn2", "kinds": ["branch"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [32, 4, 4], "conv": null, "aliases": []}, {"path": "layer2.0", "kinds": ["block", "stage"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [16, 8, 8], "conv": null, "aliases": ["layer2"]}, {"path": "layer3.0.conv1", "kinds": ["conv"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [32, 4, 4], "conv": {"inputs": 32, "outputs": 64, "kernel": [3, 3], "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer3.0.conv2", "kinds": ["conv"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [64, 2, 2], "conv": {"inputs": 64, "outputs": 64, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer3.0.bn2", "kinds": ["branch"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [64, 2, 2], "conv": null, "aliases": []}, {"path": "layer3.0", "kinds": ["block", "stage"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [32, 4, 4], "conv": null, "aliases": ["layer3"]}]','{"size": 8, "mean": [0.287644, 0.287644, 0.287644], "std": [0.353587, 0.353587, 0.353587], "train": 1078, "validation": 359, "test": 360}','["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]','236',0.00087038399999999997973,0.00079936999999999998507,'{"python": "3.11.7", "foveate": "0.1.0", "torch": "2.15.0", "torchvision": "0.29.2", "optuna": "5.0.0", "ray": "2.60.0", "sqlalchemy": "2.1.9"}','2026-11-21 14:15:54.776424',84,NULL,NULL,NULL,NULL);
INSERT INTO foveate_study VALUES(2,'ee758346c4f44ce7ae227132335d601e','begun','{"plugins": [], "backbone_files": [], "data": {"name": "digits", "root": "data", "image_size": null, "validation": 0.2, "broken": 0.01, "seed": 0}, "space": {"preset": null, "backbone": "resnet8", "backbones": [], "widths": [], "image_sizes": [], "weights": null, "modules": ["eca", "se"], "kinds": [], "stages": [], "sites": ["*"], "granularity": "block", "hyperparameters": "module", "most": null, "identity_init": true}, "recipe": {"epochs": 6, "batch": 32, "optimizer": "sgd", "peak_lr": 0.2, "momentum": 0.9, "schedule": "one-cycle", "warmup": 0.3, "step_every": 30, "step_factor": 0.1, "weight_decay": 0.0005, "clip_norm": null, "ema": 0.0, "loss": "cross-entropy", "label_smoothing": 0.1, "metric": null, "augment": "auto", "shift": 2, "randaugment": 0, "mixup": 0.0, "cutmix": 0.0, "train": "all", "backbone_lr": 1.0, "precision": "float32", "compile": false, "cuda_graphs": true, "seed": 0}, "stopping": {"rule": "pareto", "first": 1, "factor": 2.0, "least": 3, "lately": 3, "tolerance": 0.0, "ties": "epsilon-net"}, "sampler": {"name": "tpe", "startup": 6}, "resources": {"packing": "given", "workers": 1, "threads": 1, "gpus": null, "address": null, "stuck_after": 1800.0}, "trials": 9, "time_budget": null, "seed": 0, "folder": "foveate-runs"}','[{"path": "relu", "kinds": ["stem"], "stage": 0, "block": "", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": []}, {"path": "layer1.0.conv1", "kinds": ["conv"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 16, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer1.0.conv2", "kinds": ["conv"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 16, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer1.0.bn2", "kinds": ["branch"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": []}, {"path": "layer1.0", "kinds": ["block", "stage"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": ["layer1"]}, {"path": "layer2.0.conv1", "kinds": ["conv"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 32, "kernel": [3, 3], "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer2.0.conv2", "kinds": ["conv"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [32, 4, 4], "conv": {"inputs": 32, "outputs": 32, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer2.0.bn2", "kinds": ["branch"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [32, 4, 4], "conv": null, "aliases": []}, {"path": "layer2.0", "kinds": ["block", "stage"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [16, 8, 8], "conv": null, "aliases": ["layer2"]}, {"path": "layer3.0.conv1", "kinds": ["conv"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [32, 4, 4], "conv": {"inputs": 32, "outputs": 64, "kernel": [3, 3], "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer3.0.conv2", "kinds": ["conv"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [64, 2, 2], "conv": {"inputs": 64, "outputs": 64, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer3.0.bn2", "kinds": ["branch"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [64, 2, 2], "conv": null, "aliases": []}, {"path": "layer3.0", "kinds": ["block", "stage"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [32, 4, 4], "conv": null, "aliases": ["layer3"]}]','{"size": 8, "mean": [0.287644, 0.287644, 0.287644], "std": [0.353587, 0.353587, 0.353587], "train": 1078, "validation": 359, "test": 360}','["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]','236',0.00087038399999999997973,0.00079936999999999998507,'{"python": "3.11.7", "foveate": "0.1.0", "torch": "2.15.0", "torchvision": "0.29.2", "optuna": "5.0.0", "ray": "2.60.0", "sqlalchemy": "2.1.9"}','2026-11-21 14:16:23.505661',42,'5f5c0231ea434df1a1a6c2ed18fd287f','node',8848,'2026-11-21 14:16:33.515850');
CREATE TABLE foveate_trial (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	"key" VARCHAR(16) NOT NULL, 
	placement TEXT NOT NULL, 
	origin VARCHAR(80) NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	seq INTEGER NOT NULL, 
	parameters INTEGER NOT NULL, 
	macs FLOAT NOT NULL, 
	gflops FLOAT NOT NULL, 
	accuracy FLOAT, 
	epochs INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	on_front BOOLEAN NOT NULL, 
	worker VARCHAR(255), 
	device VARCHAR(80), 
	metrics JSON, 
	reason TEXT, 
	verdict JSON, 
	expected FLOAT, 
	notes JSON NOT NULL, 
	weights TEXT, 
	created DATETIME NOT NULL, 
	started DATETIME, 
	ended DATETIME, 
	PRIMARY KEY (id), 
	UNIQUE (study_id, number), 
	UNIQUE (study_id, "key"), 
	CONSTRAINT foveate_accuracy_is_a_share CHECK (accuracy BETWEEN 0 AND 1), 
	CONSTRAINT foveate_state_is_known CHECK (state IN ('waiting', 'running', 'complete', 'stopped', 'failed')), 
	FOREIGN KEY(study_id) REFERENCES foveate_study (id) ON DELETE CASCADE
);
INSERT INTO foveate_trial VALUES(1,1,0,'55f5c0c102db2875','{"version":1,"backbone":"resnet8","modules":[]}','bare','complete',9,78042,781952.0,0.00079936999999999998507,0.86908077994428967194,3,0.72630651300278259441,1,'node:8749','cpu','{"top-1": 0.8690807799442897, "top-5": 1.0, "balanced": 0.8666137925788892, "worst-class": 0.6666666666666666, "per-class": [0.975, 0.8974, 0.8889, 0.9167, 0.8611, 0.931, 1.0, 0.8537, 0.6757, 0.6667]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/digits-316fd9af/0/weights.safetensors','2026-11-21 14:15:54.837437','2026-11-21 14:15:58.636143','2026-11-21 14:16:04.420113');
INSERT INTO foveate_trial VALUES(2,1,1,'67d45667f5826ac8','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":"auto"}],["layer2.0.bn2","eca",{"kernel":"auto"}],["layer3.0.bn2","eca",{"kernel":"auto"}]]}','everywhere:eca','complete',14,78051,782288.0,0.00080351399999999996437,0.83008356545961003991,3,0.82465000099909957498,0,'node:8749','cpu','{"top-1": 0.83008356545961, "top-5": 1.0, "balanced": 0.8297301303651178, "worst-class": 0.35135135135135137, "per-class": [0.95, 0.9231, 0.9444, 0.6111, 0.8333, 0.9655, 0.9429, 0.9756, 0.3514, 0.8]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/digits-316fd9af/1/weights.safetensors','2026-11-21 14:15:54.861910','2026-11-21 14:16:04.447755','2026-11-21 14:16:05.337017');
INSERT INTO foveate_trial VALUES(3,1,2,'a257d5d2d9c2d6b3','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":16}],["layer2.0.bn2","se",{"reduction":16}],["layer3.0.bn2","se",{"reduction":16}]]}','everywhere:se','complete',31,78833,782624.0,0.00080397599999999997451,0.89136490250696376325,3,0.78472035998856881633,0,'node:8749','cpu','{"top-1": 0.8913649025069638, "top-5": 0.9972144846796658, "balanced": 0.8867185435372986, "worst-class": 0.6333333333333333, "per-class": [0.975, 0.8718, 0.9444, 0.8333, 0.9167, 0.931, 0.9429, 0.9268, 0.8919, 0.6333]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/digits-316fd9af/2/weights.safetensors','2026-11-21 14:15:54.883295','2026-11-21 14:16:05.354904','2026-11-21 14:16:06.208588');
INSERT INTO foveate_trial VALUES(4,1,3,'244f1f79795ce3d9','{"version":1,"backbone":"resnet8","modules":[["layer2.0.bn2","se",{"reduction":16}]]}','sampler','stopped',24,78204,782080.0,0.00080062199999999996563,0.14763231197771586877,1,0.21889060700050322338,0,'node:8749','cpu','{"top-1": 0.14763231197771587, "top-5": 0.6518105849582173, "balanced": 0.13527777777777777, "worst-class": 0.0, "per-class": [0.325, 1.0, 0.0278, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}','place 3 of 4 at epoch 1 by rank 1 on (accuracy 14.76 %, 0.0008006 GFLOPs); more than 19.50 % would have passed','{"keep": false, "reason": "place 3 of 4 at epoch 1 by rank 1 on (accuracy 14.76 %, 0.0008006 GFLOPs); more than 19.50 % would have passed", "rule": "pareto", "epoch": 1, "accuracy": 0.14763231197771587, "of": 4, "place": 3, "rank": 1, "threshold": 0.19498607242339833}',0.84021638205966653334,'[]',NULL,'2026-11-21 14:16:06.244893','2026-11-21 14:16:06.246004','2026-11-21 14:16:06.500526');
INSERT INTO foveate_trial VALUES(5,1,4,'74f85743ccc1ac44','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":16}]]}','sampler','complete',32,78091,781984.0,0.00080150000000000002058,0.91086350974930363477,3,0.75949857999512460082,1,'node:8749','cpu','{"top-1": 0.9108635097493036, "top-5": 1.0, "balanced": 0.9079005061217004, "worst-class": 0.7027027027027027, "per-class": [0.95, 0.8974, 0.9722, 0.9444, 0.9722, 0.931, 1.0, 0.9756, 0.7027, 0.7333]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/digits-316fd9af/4/weights.safetensors','2026-11-21 14:16:06.530990','2026-11-21 14:16:06.531951','2026-11-21 14:16:07.353679');
INSERT INTO foveate_trial VALUES(6,1,5,'487498cbd15c02e5','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":7}],["layer2.0.bn2","eca",{"kernel":7}],["layer3.0.bn2","se",{"reduction":4}]]}','sampler','complete',38,80184,784336.0,0.00080565800000000000347,0.83565459610027859049,3,0.80793791900941869243,0,'node:8749','cpu','{"top-1": 0.8356545961002786, "top-5": 0.9972144846796658, "balanced": 0.8273189948189948, "worst-class": 0.3, "per-class": [0.875, 0.9744, 0.9167, 0.7778, 0.9444, 1.0, 0.9714, 1.0, 0.5135, 0.3]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/digits-316fd9af/5/weights.safetensors','2026-11-21 14:16:07.386707','2026-11-21 14:16:07.387992','2026-11-21 14:16:08.259956');
INSERT INTO foveate_trial VALUES(7,1,6,'75f97ee488187faa','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":8}]]}','sampler','stopped',42,78124,782016.0,0.00080153400000000001382,0.1782729805013927582,1,0.22287262100144289433,0,'node:8749','cpu','{"top-1": 0.17827298050139276, "top-5": 0.6350974930362117, "balanced": 0.16281530122993537, "worst-class": 0.0, "per-class": [0.25, 0.9744, 0.0278, 0.0, 0.0833, 0.0, 0.0, 0.2927, 0.0, 0.0]}','place 6 of 7 at epoch 1 by rank 1 on (accuracy 17.83 %, 0.0008015 GFLOPs); more than 19.50 % would have passed','{"keep": false, "reason": "place 6 of 7 at epoch 1 by rank 1 on (accuracy 17.83 %, 0.0008015 GFLOPs); more than 19.50 % would have passed", "rule": "pareto", "epoch": 1, "accuracy": 0.17827298050139276, "of": 7, "place": 6, "rank": 1, "threshold": 0.19498607242339833}',0.86074704639323784682,'[]',NULL,'2026-11-21 14:16:08.323621','2026-11-21 14:16:08.324589','2026-11-21 14:16:08.576500');
INSERT INTO foveate_trial VALUES(8,1,7,'08368f2c0ee3a09d','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":16}],["layer3.0.bn2","eca",{"kernel":5}]]}','sampler','complete',48,78096,782304.0,0.00080245999999999995718,0.89415041782729809405,3,0.74497475200041662901,0,'node:8749','cpu','{"top-1": 0.8941504178272981, "top-5": 1.0, "balanced": 0.8915559439234798, "worst-class": 0.6756756756756757, "per-class": [0.95, 0.9231, 0.9167, 0.9722, 0.9444, 0.931, 1.0, 0.9024, 0.6757, 0.7]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/digits-316fd9af/7/weights.safetensors','2026-11-21 14:16:08.634323','2026-11-21 14:16:08.635711','2026-11-21 14:16:09.446436');
INSERT INTO foveate_trial VALUES(9,1,8,'bde32bc402d7b40b','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":4}]]}','sampler','stopped',52,78190,782080.0,0.00080160200000000000029,0.17548746518105848291,1,0.21077476400387240573,0,'node:8749','cpu','{"top-1": 0.17548746518105848, "top-5": 0.6852367688022284, "balanced": 0.1622222222222222, "worst-class": 0.0, "per-class": [0.4, 1.0, 0.0278, 0.0, 0.1944, 0.0, 0.0, 0.0, 0.0, 0.0]}','place 8 of 9 at epoch 1 by rank 2 on (accuracy 17.55 %, 0.0008016 GFLOPs); more than 19.50 % would have passed','{"keep": false, "reason": "place 8 of 9 at epoch 1 by rank 2 on (accuracy 17.55 %, 0.0008016 GFLOPs); more than 19.50 % would have passed", "rule": "pareto", "epoch": 1, "accuracy": 0.17548746518105848, "of": 9, "place": 8, "rank": 2, "threshold": 0.19498607242339833}',0.87291516214450282085,'[]',NULL,'2026-11-21 14:16:09.507591','2026-11-21 14:16:09.509130','2026-11-21 14:16:09.751898');
INSERT INTO foveate_trial VALUES(10,1,9,'2fe3b6885d3d12d5','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":"auto"}],["layer2.0.bn2","eca",{"kernel":"auto"}],["layer3.0.bn2","se",{"reduction":16}]]}','sampler','stopped',56,78628,782608.0,0.00080390599999999995655,0.13649025069637882312,1,0.27503057300054933875,0,'node:8749','cpu','{"top-1": 0.13649025069637882, "top-5": 0.5626740947075209, "balanced": 0.12307692307692308, "worst-class": 0.0, "per-class": [1.0, 0.2308, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}','place 10 of 10 at epoch 1 by rank 4 on (accuracy 13.65 %, 0.0008039 GFLOPs); more than 19.50 % would have passed','{"keep": false, "reason": "place 10 of 10 at epoch 1 by rank 4 on (accuracy 13.65 %, 0.0008039 GFLOPs); more than 19.50 % would have passed", "rule": "pareto", "epoch": 1, "accuracy": 0.13649025069637882, "of": 10, "place": 10, "rank": 4, "threshold": 0.19498607242339833}',0.86761924412806479267,'[]',NULL,'2026-11-21 14:16:09.987373','2026-11-21 14:16:09.988708','2026-11-21 14:16:10.294699');
INSERT INTO foveate_trial VALUES(11,1,10,'81feaee7a193e357','{"version":1,"backbone":"resnet8","modules":[["layer2.0.bn2","se",{"reduction":16}],["layer3.0.bn2","eca",{"kernel":9}]]}','sampler','stopped',60,78213,782656.0,0.00080183800000000002988,0.18941504178272980385,1,0.27688352899713208898,0,'node:8749','cpu','{"top-1": 0.1894150417827298, "top-5": 0.6100278551532033, "balanced": 0.1717948717948718, "worst-class": 0.0, "per-class": [1.0, 0.7179, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}','place 8 of 11 at epoch 1 by rank 1 on (accuracy 18.94 %, 0.0008018 GFLOPs); more than 19.50 % would have passed','{"keep": false, "reason": "place 8 of 11 at epoch 1 by rank 1 on (accuracy 18.94 %, 0.0008018 GFLOPs); more than 19.50 % would have passed", "rule": "pareto", "epoch": 1, "accuracy": 0.1894150417827298, "of": 11, "place": 8, "rank": 1, "threshold": 0.19498607242339833}',0.87480656143608781505,'[]',NULL,'2026-11-21 14:16:10.505450','2026-11-21 14:16:10.506425','2026-11-21 14:16:10.813673');
INSERT INTO foveate_trial VALUES(12,1,11,'199c2c7966cc6959','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":5}],["layer2.0.bn2","eca",{"kernel":5}],["layer3.0.bn2","eca",{"kernel":5}]]}','sampler','stopped',64,78057,782512.0,0.00080373800000000002186,0.13649025069637882312,1,0.28916899499745341017,0,'node:8749','cpu','{"top-1": 0.13649025069637882, "top-5": 0.6657381615598886, "balanced": 0.12527777777777777, "worst-class": 0.0, "per-class": [0.225, 1.0, 0.0278, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}','place 11 of 12 at epoch 1 by rank 4 on (accuracy 13.65 %, 0.0008037 GFLOPs); more than 19.50 % would have passed','{"keep": false, "reason": "place 11 of 12 at epoch 1 by rank 4 on (accuracy 13.65 %, 0.0008037 GFLOPs); more than 19.50 % would have passed", "rule": "pareto", "epoch": 1, "accuracy": 0.13649025069637882, "of": 12, "place": 11, "rank": 4, "threshold": 0.19498607242339833}',0.86761924412806479267,'[]',NULL,'2026-11-21 14:16:11.003888','2026-11-21 14:16:11.005018','2026-11-21 14:16:11.324035');
INSERT INTO foveate_trial VALUES(13,1,12,'4eb65e405323e9c2','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":8}],["layer2.0.bn2","se",{"reduction":8}],["layer3.0.bn2","se",{"reduction":8}]]}','sampler','complete',70,79512,783296.0,0.00080466200000000004215,0.90807799442896930397,3,0.81568065699684666469,0,'node:8749','cpu','{"top-1": 0.9080779944289693, "top-5": 0.9972144846796658, "balanced": 0.9047594140781692, "worst-class": 0.7333333333333333, "per-class": [0.95, 0.9487, 0.8889, 0.9167, 1.0, 0.931, 0.9143, 0.9268, 0.8378, 0.7333]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/digits-316fd9af/12/weights.safetensors','2026-11-21 14:16:11.508888','2026-11-21 14:16:11.509956','2026-11-21 14:16:12.389119');
INSERT INTO foveate_trial VALUES(14,1,13,'240fd075f9ad1a12','{"version":1,"backbone":"resnet8","modules":[["layer2.0.bn2","eca",{"kernel":7}],["layer3.0.bn2","se",{"reduction":4}]]}','sampler','stopped',74,80177,784224.0,0.00080346599999999996754,0.10863509749303620899,1,0.23939525999594479799,0,'node:8749','cpu','{"top-1": 0.10863509749303621, "top-5": 0.5292479108635098, "balanced": 0.1, "worst-class": 0.0, "per-class": [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}','place 12 of 14 at epoch 1 by rank 3 on (accuracy 10.86 %, 0.0008035 GFLOPs); more than 19.50 % would have passed','{"keep": false, "reason": "place 12 of 14 at epoch 1 by rank 3 on (accuracy 10.86 %, 0.0008035 GFLOPs); more than 19.50 % would have passed", "rule": "pareto", "epoch": 1, "accuracy": 0.10863509749303621, "of": 14, "place": 12, "rank": 3, "threshold": 0.19498607242339833}',0.8361987432791345709,'[]',NULL,'2026-11-21 14:16:12.561267','2026-11-21 14:16:12.562223','2026-11-21 14:16:12.832383');
INSERT INTO foveate_trial VALUES(15,1,14,'7bca880a2fc02853','{"version":1,"backbone":"resnet8","modules":[["layer3.0.bn2","se",{"reduction":8}]]}','sampler','stopped',78,79138,782976.0,0.00080111400000000001445,0.10863509749303620899,1,0.21092597900133114308,0,'node:8749','cpu','{"top-1": 0.10863509749303621, "top-5": 0.6434540389972145, "balanced": 0.1, "worst-class": 0.0, "per-class": [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]}','place 11 of 15 at epoch 1 by rank 2 on (accuracy 10.86 %, 0.0008011 GFLOPs); more than 18.94 % would have passed','{"keep": false, "reason": "place 11 of 15 at epoch 1 by rank 2 on (accuracy 10.86 %, 0.0008011 GFLOPs); more than 18.94 % would have passed", "rule": "pareto", "epoch": 1, "accuracy": 0.10863509749303621, "of": 15, "place": 11, "rank": 2, "threshold": 0.1894150417827298}',0.8361987432791345709,'[]',NULL,'2026-11-21 14:16:12.991597','2026-11-21 14:16:12.992589','2026-11-21 14:16:13.232456');
INSERT INTO foveate_trial VALUES(16,1,15,'32550594530c9c8e','{"version":1,"backbone":"resnet8","modules":[["layer2.0.bn2","eca",{"kernel":7}]]}','sampler','complete',84,78049,782176.0,0.00080068200000000004298,0.84958217270194991144,3,0.69665992899535922333,0,'node:8749','cpu','{"top-1": 0.8495821727019499, "top-5": 0.9944289693593314, "balanced": 0.8400388219437842, "worst-class": 0.3333333333333333, "per-class": [0.95, 0.8718, 0.8889, 0.8611, 0.9167, 0.8966, 0.9714, 0.9268, 0.7838, 0.3333]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/digits-316fd9af/15/weights.safetensors','2026-11-21 14:16:13.405330','2026-11-21 14:16:13.406191','2026-11-21 14:16:14.169128');
INSERT INTO foveate_trial VALUES(17,2,0,'55f5c0c102db2875','{"version":1,"backbone":"resnet8","modules":[]}','bare','complete',12,78042,781952.0,0.00079936999999999998507,0.94150417827298049644,6,1.3553816409985302016,1,'node:9079','cpu','{"top-1": 0.9415041782729805, "top-5": 1.0, "balanced": 0.9367224049435994, "worst-class": 0.7333333333333333, "per-class": [1.0, 0.9487, 0.9444, 0.8611, 1.0, 0.931, 1.0, 0.9756, 0.973, 0.7333]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/begun-ee758346/0/weights.safetensors','2026-11-21 14:16:23.538841','2026-11-21 14:16:25.902033','2026-11-21 14:16:31.734267');
INSERT INTO foveate_trial VALUES(18,2,1,'67d45667f5826ac8','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":"auto"}],["layer2.0.bn2","eca",{"kernel":"auto"}],["layer3.0.bn2","eca",{"kernel":"auto"}]]}','everywhere:eca','complete',21,78051,782288.0,0.00080351399999999996437,0.95543175487465181738,6,1.5991537309964769519,1,'node:9079','cpu','{"top-1": 0.9554317548746518, "top-5": 1.0, "balanced": 0.9519045769907839, "worst-class": 0.8, "per-class": [0.975, 1.0, 0.9444, 0.8611, 1.0, 0.9655, 1.0, 1.0, 0.973, 0.8]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/begun-ee758346/1/weights.safetensors','2026-11-21 14:16:23.550518','2026-11-21 14:16:31.760033','2026-11-21 14:16:33.472288');
INSERT INTO foveate_trial VALUES(19,2,2,'a257d5d2d9c2d6b3','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":16}],["layer2.0.bn2","se",{"reduction":16}],["layer3.0.bn2","se",{"reduction":16}]]}','everywhere:se','complete',29,78833,782624.0,0.00080397599999999997451,0.94428969359331471622,6,1.4374078100008773617,0,'node:9079','cpu','{"top-1": 0.9442896935933147, "top-5": 1.0, "balanced": 0.9393404744266813, "worst-class": 0.7, "per-class": [0.975, 0.9744, 0.9444, 0.8889, 0.9722, 0.9655, 1.0, 1.0, 0.973, 0.7]}',NULL,NULL,NULL,'[]','/srv/foveate/foveate-runs/begun-ee758346/2/weights.safetensors','2026-11-21 14:16:23.560800','2026-11-21 14:16:33.496239','2026-11-21 14:16:35.041624');
INSERT INTO foveate_trial VALUES(20,2,3,'244f1f79795ce3d9','{"version":1,"backbone":"resnet8","modules":[["layer2.0.bn2","se",{"reduction":16}]]}','sampler','stopped',33,78204,782080.0,0.00080062199999999996563,0.15877437325905291443,1,0.21780611300346208736,0,'node:9079','cpu','{"top-1": 0.15877437325905291, "top-5": 0.5766016713091922, "balanced": 0.15282051282051282, "worst-class": 0.0, "per-class": [0.4, 0.1282, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]}','place 4 of 4 at epoch 1 by rank 1 on (accuracy 15.88 %, 0.0008006 GFLOPs); more than 27.58 % would have passed','{"keep": false, "reason": "place 4 of 4 at epoch 1 by rank 1 on (accuracy 15.88 %, 0.0008006 GFLOPs); more than 27.58 % would have passed", "rule": "pareto", "epoch": 1, "accuracy": 0.15877437325905291, "of": 4, "place": 4, "rank": 1, "threshold": 0.2757660167130919}',0.9279480037140204196,'[]',NULL,'2026-11-21 14:16:35.069176','2026-11-21 14:16:35.070025','2026-11-21 14:16:35.319497');
INSERT INTO foveate_trial VALUES(21,2,4,'74f85743ccc1ac44','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":16}]]}','sampler','stopped',37,78091,781984.0,0.00080150000000000002058,0.22005571030640669327,1,0.23848962299962295219,0,'node:9079','cpu','{"top-1": 0.2200557103064067, "top-5": 0.7520891364902507, "balanced": 0.2011111111111111, "worst-class": 0.0, "per-class": [0.9, 1.0, 0.0, 0.0, 0.1111, 0.0, 0.0, 0.0, 0.0, 0.0]}','place 5 of 5 at epoch 1 by rank 1 on (accuracy 22.01 %, 0.0008015 GFLOPs); more than 25.35 % would have passed','{"keep": false, "reason": "place 5 of 5 at epoch 1 by rank 1 on (accuracy 22.01 %, 0.0008015 GFLOPs); more than 25.35 % would have passed", "rule": "pareto", "epoch": 1, "accuracy": 0.2200557103064067, "of": 5, "place": 5, "rank": 1, "threshold": 0.25348189415041783}',0.93611884865366756791,'[]',NULL,'2026-11-21 14:16:35.410437','2026-11-21 14:16:35.411327','2026-11-21 14:16:35.683056');
INSERT INTO foveate_trial VALUES(22,2,5,'487498cbd15c02e5','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":7}],["layer2.0.bn2","eca",{"kernel":7}],["layer3.0.bn2","se",{"reduction":4}]]}','sampler','stopped',42,80184,784336.0,0.00080565800000000000347,0.60724233983286912685,2,0.5553985150036169216,0,'node:9079','cpu','{"top-1": 0.6072423398328691, "top-5": 0.9721448467966574, "balanced": 0.5991847891385318, "worst-class": 0.0, "per-class": [0.9, 1.0, 0.4167, 0.3611, 0.8056, 0.8966, 0.3429, 0.9024, 0.0, 0.3667]}','place 3 of 4 at epoch 2 by rank 1 on (accuracy 44.71 %, 0.0008057 GFLOPs); more than 46.94 % would have passed','{"keep": false, "reason": "place 3 of 4 at epoch 2 by rank 1 on (accuracy 44.71 %, 0.0008057 GFLOPs); more than 46.94 % would have passed", "rule": "pareto", "epoch": 2, "accuracy": 0.44707520891364905, "of": 4, "place": 3, "rank": 1, "threshold": 0.46935933147632314}',0.9601728545808372317,'[]',NULL,'2026-11-21 14:16:35.717284','2026-11-21 14:16:35.718404','2026-11-21 14:16:36.320540');
CREATE TABLE foveate_front_step (
	id INTEGER NOT NULL, 
	study_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	finished INTEGER NOT NULL, 
	hypervolume FLOAT NOT NULL, 
	members JSON NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (study_id, number), 
	FOREIGN KEY(study_id) REFERENCES foveate_study (id) ON DELETE CASCADE
);
INSERT INTO foveate_front_step VALUES(1,1,0,1,0.86908077994428967194,'[0]','2026-11-21 14:16:04.426436');
INSERT INTO foveate_front_step VALUES(2,1,1,2,0.86908077994428967194,'[0]','2026-11-21 14:16:05.338794');
INSERT INTO foveate_front_step VALUES(3,1,2,3,0.88991954428853248248,'[0, 2]','2026-11-21 14:16:06.213082');
INSERT INTO foveate_front_step VALUES(4,1,4,4,0.90961027497186985879,'[0, 4]','2026-11-21 14:16:07.357017');
INSERT INTO foveate_front_step VALUES(5,1,5,5,0.90961027497186985879,'[0, 4]','2026-11-21 14:16:08.261991');
INSERT INTO foveate_front_step VALUES(6,1,7,6,0.90961027497186985879,'[0, 4]','2026-11-21 14:16:09.448262');
INSERT INTO foveate_front_step VALUES(7,1,12,7,0.90961027497186985879,'[0, 4]','2026-11-21 14:16:12.392420');
INSERT INTO foveate_front_step VALUES(8,1,15,8,0.90961027497186985879,'[0, 4]','2026-11-21 14:16:14.170855');
INSERT INTO foveate_front_step VALUES(9,2,0,1,0.94150417827298049644,'[0]','2026-11-21 14:16:31.739704');
INSERT INTO foveate_front_step VALUES(10,2,1,2,0.95461901545091387699,'[0, 1]','2026-11-21 14:16:33.475901');
INSERT INTO foveate_front_step VALUES(11,2,2,3,0.95461901545091387699,'[0, 1]','2026-11-21 14:16:35.043278');
CREATE TABLE foveate_epoch (
	trial_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	train_loss FLOAT NOT NULL, 
	accuracy FLOAT NOT NULL, 
	seconds FLOAT NOT NULL, 
	metrics JSON, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (trial_id, number), 
	CONSTRAINT foveate_epochs_count_from_1 CHECK (number >= 1), 
	FOREIGN KEY(trial_id) REFERENCES foveate_trial (id) ON DELETE CASCADE
);
INSERT INTO foveate_epoch VALUES(1,1,2.2359912756717568171,0.20891364902506964762,0.26790738599811447784,'{"top-1": 0.20891364902506965, "top-5": 0.6768802228412256, "balanced": 0.1900307483844069, "worst-class": 0.0}','2026-11-21 14:16:03.928820');
INSERT INTO foveate_epoch VALUES(1,2,1.5506879633123225037,0.74651810584958222527,0.22363647800375474616,'{"top-1": 0.7465181058495822, "top-5": 0.9916434540389972, "balanced": 0.7389627306952791, "worst-class": 0.2}','2026-11-21 14:16:04.166014');
INSERT INTO foveate_epoch VALUES(1,3,1.0469044772061435466,0.86908077994428967194,0.2347626490009133704,'{"top-1": 0.8690807799442897, "top-5": 1.0, "balanced": 0.8666137925788892, "worst-class": 0.6666666666666666}','2026-11-21 14:16:04.419159');
INSERT INTO foveate_epoch VALUES(2,1,2.2199337121212119328,0.14484679665738162124,0.29435573099908651784,'{"top-1": 0.14484679665738162, "top-5": 0.6796657381615598, "balanced": 0.135, "worst-class": 0.0}','2026-11-21 14:16:04.777620');
INSERT INTO foveate_epoch VALUES(2,2,1.5682655103278881902,0.64902506963788297866,0.25140743100200779736,'{"top-1": 0.649025069637883, "top-5": 0.9832869080779945, "balanced": 0.637633840737289, "worst-class": 0.16216216216216217}','2026-11-21 14:16:05.041598');
INSERT INTO foveate_epoch VALUES(2,3,1.1018843217329545858,0.83008356545961003991,0.27888683899800525978,'{"top-1": 0.83008356545961, "top-5": 1.0, "balanced": 0.8297301303651178, "worst-class": 0.35135135135135137}','2026-11-21 14:16:05.336457');
INSERT INTO foveate_epoch VALUES(3,1,2.2156802090731533283,0.19498607242339832668,0.24670012699789367616,'{"top-1": 0.19498607242339833, "top-5": 0.7075208913649025, "balanced": 0.18424603174603177, "worst-class": 0.0}','2026-11-21 14:16:05.636716');
INSERT INTO foveate_epoch VALUES(3,2,1.4803662155613754869,0.57660167130919215416,0.27759644999605370685,'{"top-1": 0.5766016713091922, "top-5": 0.9415041782729805, "balanced": 0.5536730931663648, "worst-class": 0.02702702702702703}','2026-11-21 14:16:05.927614');
INSERT INTO foveate_epoch VALUES(3,3,1.0355283563787287537,0.89136490250696376325,0.26042378299462143331,'{"top-1": 0.8913649025069638, "top-5": 0.9972144846796658, "balanced": 0.8867185435372986, "worst-class": 0.6333333333333333}','2026-11-21 14:16:06.207589');
INSERT INTO foveate_epoch VALUES(4,1,2.2300953720555161119,0.14763231197771586877,0.21889060700050322338,'{"top-1": 0.14763231197771587, "top-5": 0.6518105849582173, "balanced": 0.13527777777777777, "worst-class": 0.0}','2026-11-21 14:16:06.496803');
INSERT INTO foveate_epoch VALUES(5,1,2.2279707012754497164,0.21448467966573817045,0.24697282299894141033,'{"top-1": 0.21448467966573817, "top-5": 0.6657381615598886, "balanced": 0.19654761904761903, "worst-class": 0.0}','2026-11-21 14:16:06.809155');
INSERT INTO foveate_epoch VALUES(5,2,1.5078507625695429794,0.79944289693593317824,0.27774457999475998803,'{"top-1": 0.7994428969359332, "top-5": 0.9832869080779945, "balanced": 0.7872448073310141, "worst-class": 0.1}','2026-11-21 14:16:07.101674');
INSERT INTO foveate_epoch VALUES(5,3,1.0178738218365293022,0.91086350974930363477,0.23478117700142320245,'{"top-1": 0.9108635097493036, "top-5": 1.0, "balanced": 0.9079005061217004, "worst-class": 0.7027027027027027}','2026-11-21 14:16:07.352888');
INSERT INTO foveate_epoch VALUES(6,1,2.2349592266660747164,0.27576601671309192154,0.26062190800439566373,'{"top-1": 0.2757660167130919, "top-5": 0.637883008356546, "balanced": 0.25437356681259116, "worst-class": 0.0}','2026-11-21 14:16:07.677633');
INSERT INTO foveate_epoch VALUES(6,2,1.6254138368548769477,0.61559888579387189722,0.27443979400413809344,'{"top-1": 0.6155988857938719, "top-5": 0.958217270194986, "balanced": 0.6025702979803065, "worst-class": 0.13333333333333333}','2026-11-21 14:16:07.965159');
INSERT INTO foveate_epoch VALUES(6,3,1.1123360142563327723,0.83565459610027859049,0.27287621700088493525,'{"top-1": 0.8356545961002786, "top-5": 0.9972144846796658, "balanced": 0.8273189948189948, "worst-class": 0.3}','2026-11-21 14:16:08.259281');
INSERT INTO foveate_epoch VALUES(7,1,2.2325286865234375,0.1782729805013927582,0.22287262100144289433,'{"top-1": 0.17827298050139276, "top-5": 0.6350974930362117, "balanced": 0.16281530122993537, "worst-class": 0.0}','2026-11-21 14:16:08.574760');
INSERT INTO foveate_epoch VALUES(8,1,2.238075025153882791,0.27019498607242337095,0.2619978939983411692,'{"top-1": 0.27019498607242337, "top-5": 0.8356545961002786, "balanced": 0.2633852258852259, "worst-class": 0.0}','2026-11-21 14:16:08.929957');
INSERT INTO foveate_epoch VALUES(8,2,1.5441192858146899347,0.79387186629526462766,0.24152966499968897551,'{"top-1": 0.7938718662952646, "top-5": 0.9721448467966574, "balanced": 0.7959678491280678, "worst-class": 0.10810810810810811}','2026-11-21 14:16:09.185551');
INSERT INTO foveate_epoch VALUES(8,3,1.0355452335242070205,0.89415041782729809405,0.24144719300238648429,'{"top-1": 0.8941504178272981, "top-5": 1.0, "balanced": 0.8915559439234798, "worst-class": 0.6756756756756757}','2026-11-21 14:16:09.445887');
INSERT INTO foveate_epoch VALUES(9,1,2.2362321795839252835,0.17548746518105848291,0.21077476400387240573,'{"top-1": 0.17548746518105848, "top-5": 0.6852367688022284, "balanced": 0.1622222222222222, "worst-class": 0.0}','2026-11-21 14:16:09.750236');
INSERT INTO foveate_epoch VALUES(10,1,2.2227057254675663955,0.13649025069637882312,0.27503057300054933875,'{"top-1": 0.13649025069637882, "top-5": 0.5626740947075209, "balanced": 0.12307692307692308, "worst-class": 0.0}','2026-11-21 14:16:10.292918');
INSERT INTO foveate_epoch VALUES(11,1,2.1946510546135180597,0.18941504178272980385,0.27688352899713208898,'{"top-1": 0.1894150417827298, "top-5": 0.6100278551532033, "balanced": 0.1717948717948718, "worst-class": 0.0}','2026-11-21 14:16:10.811784');
INSERT INTO foveate_epoch VALUES(12,1,2.2556020563299004066,0.13649025069637882312,0.28916899499745341017,'{"top-1": 0.13649025069637882, "top-5": 0.6657381615598886, "balanced": 0.12527777777777777, "worst-class": 0.0}','2026-11-21 14:16:11.322094');
INSERT INTO foveate_epoch VALUES(13,1,2.2066844593394887574,0.32869080779944287451,0.30883093499869573861,'{"top-1": 0.3286908077994429, "top-5": 0.7465181058495822, "balanced": 0.3023522886327764, "worst-class": 0.0}','2026-11-21 14:16:11.849250');
INSERT INTO foveate_epoch VALUES(13,2,1.459663159919507569,0.73259052924791090433,0.26070509100100025534,'{"top-1": 0.7325905292479109, "top-5": 0.9916434540389972, "balanced": 0.7257496891432972, "worst-class": 0.21621621621621623}','2026-11-21 14:16:12.124117');
INSERT INTO foveate_epoch VALUES(13,3,0.97464833115086413339,0.90807799442896930397,0.24614463099715067073,'{"top-1": 0.9080779944289693, "top-5": 0.9972144846796658, "balanced": 0.9047594140781692, "worst-class": 0.7333333333333333}','2026-11-21 14:16:12.388147');
INSERT INTO foveate_epoch VALUES(14,1,2.2429546009410512574,0.10863509749303620899,0.23939525999594479799,'{"top-1": 0.10863509749303621, "top-5": 0.5292479108635098, "balanced": 0.1, "worst-class": 0.0}','2026-11-21 14:16:12.830590');
INSERT INTO foveate_epoch VALUES(15,1,2.2292059696081913955,0.10863509749303620899,0.21092597900133114308,'{"top-1": 0.10863509749303621, "top-5": 0.6434540389972145, "balanced": 0.1, "worst-class": 0.0}','2026-11-21 14:16:13.230694');
INSERT INTO foveate_epoch VALUES(16,1,2.2189763387044272313,0.27576601671309192154,0.23460191000049235299,'{"top-1": 0.2757660167130919, "top-5": 0.6323119777158774, "balanced": 0.24767979987492184, "worst-class": 0.0}','2026-11-21 14:16:13.676379');
INSERT INTO foveate_epoch VALUES(16,2,1.5342303189364345783,0.77158774373259053636,0.24305801899754442274,'{"top-1": 0.7715877437325905, "top-5": 0.9721448467966574, "balanced": 0.7528393939600837, "worst-class": 0.26666666666666666}','2026-11-21 14:16:13.933456');
INSERT INTO foveate_epoch VALUES(16,3,1.0386647311123935466,0.84958217270194991144,0.21899999999732244759,'{"top-1": 0.8495821727019499, "top-5": 0.9944289693593314, "balanced": 0.8400388219437842, "worst-class": 0.3333333333333333}','2026-11-21 14:16:14.168486');
INSERT INTO foveate_epoch VALUES(17,1,2.2542914188269413955,0.27576601671309192154,0.29059878699627006426,'{"top-1": 0.2757660167130919, "top-5": 0.6740947075208914, "balanced": 0.25080883885761934, "worst-class": 0.0}','2026-11-21 14:16:30.598836');
INSERT INTO foveate_epoch VALUES(17,2,1.6299440788500236809,0.45961002785515320256,0.21227683900360716506,'{"top-1": 0.4596100278551532, "top-5": 0.9387186629526463, "balanced": 0.45749097855700044, "worst-class": 0.0}','2026-11-21 14:16:30.823300');
INSERT INTO foveate_epoch VALUES(17,3,1.1078659982392282667,0.84122562674094703005,0.20028946499951416626,'{"top-1": 0.841225626740947, "top-5": 1.0, "balanced": 0.8383830291904303, "worst-class": 0.35135135135135137}','2026-11-21 14:16:31.034885');
INSERT INTO foveate_epoch VALUES(17,4,0.87234566428444604291,0.88579387186629521266,0.20338766500208294019,'{"top-1": 0.8857938718662952, "top-5": 0.9972144846796658, "balanced": 0.8794710720572791, "worst-class": 0.5333333333333333}','2026-11-21 14:16:31.251202');
INSERT INTO foveate_epoch VALUES(17,5,0.78119821259469701679,0.93593314763231194586,0.23758439700031885877,'{"top-1": 0.935933147632312, "top-5": 1.0, "balanced": 0.9294876773325049, "worst-class": 0.7333333333333333}','2026-11-21 14:16:31.504956');
INSERT INTO foveate_epoch VALUES(17,6,0.72429755239775683861,0.94150417827298049644,0.21124448799673700705,'{"top-1": 0.9415041782729805, "top-5": 1.0, "balanced": 0.9367224049435994, "worst-class": 0.7333333333333333}','2026-11-21 14:16:31.733591');
INSERT INTO foveate_epoch VALUES(18,1,2.2469852331912880671,0.36490250696378828676,0.24901587200292851775,'{"top-1": 0.3649025069637883, "top-5": 0.649025069637883, "balanced": 0.336918907650615, "worst-class": 0.0}','2026-11-21 14:16:32.043363');
INSERT INTO foveate_epoch VALUES(18,2,1.6239444848262902798,0.57381615598885793438,0.2497779059995082207,'{"top-1": 0.5738161559888579, "top-5": 0.9415041782729805, "balanced": 0.5634637488947833, "worst-class": 0.0}','2026-11-21 14:16:32.310800');
INSERT INTO foveate_epoch VALUES(18,3,1.1173048308401396511,0.77158774373259053636,0.27223484400019515305,'{"top-1": 0.7715877437325905, "top-5": 0.9916434540389972, "balanced": 0.7678115203115203, "worst-class": 0.2702702702702703}','2026-11-21 14:16:32.596747');
INSERT INTO foveate_epoch VALUES(18,4,0.87810192686138732742,0.855153203342618351,0.24805505299445940181,'{"top-1": 0.8551532033426184, "top-5": 0.9972144846796658, "balanced": 0.8540202535829113, "worst-class": 0.6944444444444444}','2026-11-21 14:16:32.860824');
INSERT INTO foveate_epoch VALUES(18,5,0.75780036232688208208,0.95821727019498603716,0.2382565759980934672,'{"top-1": 0.958217270194986, "top-5": 1.0, "balanced": 0.9561290923128603, "worst-class": 0.8333333333333334}','2026-11-21 14:16:33.111757');
INSERT INTO foveate_epoch VALUES(18,6,0.71476265878388378638,0.95543175487465181738,0.34181348000129219144,'{"top-1": 0.9554317548746518, "top-5": 1.0, "balanced": 0.9519045769907839, "worst-class": 0.8}','2026-11-21 14:16:33.471306');
INSERT INTO foveate_epoch VALUES(19,1,2.2544238928592568171,0.25348189415041783023,0.27069181800470687448,'{"top-1": 0.25348189415041783, "top-5": 0.6518105849582173, "balanced": 0.2381535334584115, "worst-class": 0.0}','2026-11-21 14:16:33.809117');
INSERT INTO foveate_epoch VALUES(19,2,1.6850477276426372164,0.49303621169916433952,0.27559988899884046986,'{"top-1": 0.49303621169916434, "top-5": 0.9610027855153204, "balanced": 0.4780705074292122, "worst-class": 0.0}','2026-11-21 14:16:34.099455');
INSERT INTO foveate_epoch VALUES(19,3,1.1103082136674360391,0.65459610027855152925,0.22565440399921499192,'{"top-1": 0.6545961002785515, "top-5": 0.9665738161559888, "balanced": 0.6623849089849931, "worst-class": 0.16216216216216217}','2026-11-21 14:16:34.336803');
INSERT INTO foveate_epoch VALUES(19,4,0.8655768885756983666,0.90807799442896930397,0.21242220499698305502,'{"top-1": 0.9080779944289693, "top-5": 0.9972144846796658, "balanced": 0.9049160030509904, "worst-class": 0.75}','2026-11-21 14:16:34.560743');
INSERT INTO foveate_epoch VALUES(19,5,0.7692901148940577416,0.94150417827298049644,0.21916876199975376948,'{"top-1": 0.9415041782729805, "top-5": 1.0, "balanced": 0.9383346656159945, "worst-class": 0.7333333333333333}','2026-11-21 14:16:34.792068');
INSERT INTO foveate_epoch VALUES(19,6,0.72022079698967211847,0.94428969359331471622,0.23387073200137820094,'{"top-1": 0.9442896935933147, "top-5": 1.0, "balanced": 0.9393404744266813, "worst-class": 0.7}','2026-11-21 14:16:35.041068');
INSERT INTO foveate_epoch VALUES(20,1,2.2577479969371450074,0.15877437325905291443,0.21780611300346208736,'{"top-1": 0.15877437325905291, "top-5": 0.5766016713091922, "balanced": 0.15282051282051282, "worst-class": 0.0}','2026-11-21 14:16:35.316559');
INSERT INTO foveate_epoch VALUES(21,1,2.2389806111653647313,0.22005571030640669327,0.23848962299962295219,'{"top-1": 0.2200557103064067, "top-5": 0.7520891364902507, "balanced": 0.2011111111111111, "worst-class": 0.0}','2026-11-21 14:16:35.680466');
INSERT INTO foveate_epoch VALUES(22,1,2.2421280832001655447,0.28690807799442896719,0.29886109300423413515,'{"top-1": 0.28690807799442897, "top-5": 0.6824512534818942, "balanced": 0.2677350427350427, "worst-class": 0.0}','2026-11-21 14:16:36.046963');
INSERT INTO foveate_epoch VALUES(22,2,1.6631103284431225652,0.60724233983286912685,0.25653742199938278645,'{"top-1": 0.6072423398328691, "top-5": 0.9721448467966574, "balanced": 0.5991847891385318, "worst-class": 0.0}','2026-11-21 14:16:36.318112');
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO studies VALUES(1,'digits');
INSERT INTO studies VALUES(2,'begun');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO version_info VALUES(1,12,'5.0.0');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO study_directions VALUES(1,'MAXIMIZE',1,0);
INSERT INTO study_directions VALUES(2,'MINIMIZE',1,1);
INSERT INTO study_directions VALUES(3,'MAXIMIZE',2,0);
INSERT INTO study_directions VALUES(4,'MINIMIZE',2,1);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO study_system_attributes VALUES(1,1,'study:metric_names','["accuracy", "GFLOPs"]');
INSERT INTO study_system_attributes VALUES(2,2,'study:metric_names','["accuracy", "GFLOPs"]');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO trials VALUES(1,0,1,'COMPLETE','2026-11-21 14:15:58.642998','2026-11-21 14:16:04.441107');
INSERT INTO trials VALUES(2,1,1,'COMPLETE','2026-11-21 14:16:04.450843','2026-11-21 14:16:05.349839');
INSERT INTO trials VALUES(3,2,1,'COMPLETE','2026-11-21 14:16:05.357666','2026-11-21 14:16:06.226293');
INSERT INTO trials VALUES(4,3,1,'PRUNED','2026-11-21 14:16:06.248978','2026-11-21 14:16:06.514417');
INSERT INTO trials VALUES(5,4,1,'COMPLETE','2026-11-21 14:16:06.534524','2026-11-21 14:16:07.368795');
INSERT INTO trials VALUES(6,5,1,'COMPLETE','2026-11-21 14:16:07.391370','2026-11-21 14:16:08.273732');
INSERT INTO trials VALUES(7,6,1,'PRUNED','2026-11-21 14:16:08.327319','2026-11-21 14:16:08.591238');
INSERT INTO trials VALUES(8,7,1,'COMPLETE','2026-11-21 14:16:08.640181','2026-11-21 14:16:09.464260');
INSERT INTO trials VALUES(9,8,1,'PRUNED','2026-11-21 14:16:09.514285','2026-11-21 14:16:09.764007');
INSERT INTO trials VALUES(10,9,1,'PRUNED','2026-11-21 14:16:09.992594','2026-11-21 14:16:10.306557');
INSERT INTO trials VALUES(11,10,1,'PRUNED','2026-11-21 14:16:10.509232','2026-11-21 14:16:10.827135');
INSERT INTO trials VALUES(12,11,1,'PRUNED','2026-11-21 14:16:11.007935','2026-11-21 14:16:11.338849');
INSERT INTO trials VALUES(13,12,1,'COMPLETE','2026-11-21 14:16:11.513043','2026-11-21 14:16:12.404372');
INSERT INTO trials VALUES(14,13,1,'PRUNED','2026-11-21 14:16:12.565480','2026-11-21 14:16:12.843535');
INSERT INTO trials VALUES(15,14,1,'PRUNED','2026-11-21 14:16:12.995945','2026-11-21 14:16:13.243691');
INSERT INTO trials VALUES(16,15,1,'COMPLETE','2026-11-21 14:16:13.409528','2026-11-21 14:16:14.181743');
INSERT INTO trials VALUES(17,0,2,'COMPLETE','2026-11-21 14:16:25.907187','2026-11-21 14:16:31.752589');
INSERT INTO trials VALUES(18,1,2,'COMPLETE','2026-11-21 14:16:31.763222','2026-11-21 14:16:33.490291');
INSERT INTO trials VALUES(19,2,2,'COMPLETE','2026-11-21 14:16:33.499337','2026-11-21 14:16:35.053643');
INSERT INTO trials VALUES(20,3,2,'PRUNED','2026-11-21 14:16:35.074193','2026-11-21 14:16:35.389234');
INSERT INTO trials VALUES(21,4,2,'PRUNED','2026-11-21 14:16:35.414047','2026-11-21 14:16:35.697340');
INSERT INTO trials VALUES(22,5,2,'PRUNED','2026-11-21 14:16:35.721286','2026-11-21 14:16:36.342154');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO trial_user_attributes VALUES(1,1,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[]}"');
INSERT INTO trial_user_attributes VALUES(2,1,'origin','"bare"');
INSERT INTO trial_user_attributes VALUES(3,1,'gflops','0.00079937');
INSERT INTO trial_user_attributes VALUES(4,1,'parameters','78042');
INSERT INTO trial_user_attributes VALUES(5,2,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":\"auto\"}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":\"auto\"}],[\"layer3.0.bn2\",\"eca\",{\"kernel\":\"auto\"}]]}"');
INSERT INTO trial_user_attributes VALUES(6,2,'origin','"everywhere:eca"');
INSERT INTO trial_user_attributes VALUES(7,2,'gflops','0.000803514');
INSERT INTO trial_user_attributes VALUES(8,2,'parameters','78051');
INSERT INTO trial_user_attributes VALUES(9,3,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":16}],[\"layer2.0.bn2\",\"se\",{\"reduction\":16}],[\"layer3.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(10,3,'origin','"everywhere:se"');
INSERT INTO trial_user_attributes VALUES(11,3,'gflops','0.000803976');
INSERT INTO trial_user_attributes VALUES(12,3,'parameters','78833');
INSERT INTO trial_user_attributes VALUES(13,1,'epochs','3');
INSERT INTO trial_user_attributes VALUES(14,1,'accuracy','0.8690807799442897');
INSERT INTO trial_user_attributes VALUES(15,1,'reason','null');
INSERT INTO trial_user_attributes VALUES(16,2,'epochs','3');
INSERT INTO trial_user_attributes VALUES(17,2,'accuracy','0.83008356545961');
INSERT INTO trial_user_attributes VALUES(18,2,'reason','null');
INSERT INTO trial_user_attributes VALUES(19,3,'epochs','3');
INSERT INTO trial_user_attributes VALUES(20,3,'accuracy','0.8913649025069638');
INSERT INTO trial_user_attributes VALUES(21,3,'reason','null');
INSERT INTO trial_user_attributes VALUES(22,4,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer2.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(23,4,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(24,4,'gflops','0.000800622');
INSERT INTO trial_user_attributes VALUES(25,4,'parameters','78204');
INSERT INTO trial_user_attributes VALUES(26,4,'epochs','1');
INSERT INTO trial_user_attributes VALUES(27,4,'accuracy','0.14763231197771587');
INSERT INTO trial_user_attributes VALUES(28,4,'reason','"place 3 of 4 at epoch 1 by rank 1 on (accuracy 14.76 %, 0.0008006 GFLOPs); more than 19.50 % would have passed"');
INSERT INTO trial_user_attributes VALUES(29,4,'expected accuracy','0.8402163820596665');
INSERT INTO trial_user_attributes VALUES(30,5,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(31,5,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(32,5,'gflops','0.0008015');
INSERT INTO trial_user_attributes VALUES(33,5,'parameters','78091');
INSERT INTO trial_user_attributes VALUES(34,5,'epochs','3');
INSERT INTO trial_user_attributes VALUES(35,5,'accuracy','0.9108635097493036');
INSERT INTO trial_user_attributes VALUES(36,5,'reason','null');
INSERT INTO trial_user_attributes VALUES(37,6,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":7}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":7}],[\"layer3.0.bn2\",\"se\",{\"reduction\":4}]]}"');
INSERT INTO trial_user_attributes VALUES(38,6,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(39,6,'gflops','0.000805658');
INSERT INTO trial_user_attributes VALUES(40,6,'parameters','80184');
INSERT INTO trial_user_attributes VALUES(41,6,'epochs','3');
INSERT INTO trial_user_attributes VALUES(42,6,'accuracy','0.8356545961002786');
INSERT INTO trial_user_attributes VALUES(43,6,'reason','null');
INSERT INTO trial_user_attributes VALUES(44,7,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":8}]]}"');
INSERT INTO trial_user_attributes VALUES(45,7,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(46,7,'gflops','0.000801534');
INSERT INTO trial_user_attributes VALUES(47,7,'parameters','78124');
INSERT INTO trial_user_attributes VALUES(48,7,'epochs','1');
INSERT INTO trial_user_attributes VALUES(49,7,'accuracy','0.17827298050139276');
INSERT INTO trial_user_attributes VALUES(50,7,'reason','"place 6 of 7 at epoch 1 by rank 1 on (accuracy 17.83 %, 0.0008015 GFLOPs); more than 19.50 % would have passed"');
INSERT INTO trial_user_attributes VALUES(51,7,'expected accuracy','0.8607470463932378');
INSERT INTO trial_user_attributes VALUES(52,8,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":16}],[\"layer3.0.bn2\",\"eca\",{\"kernel\":5}]]}"');
INSERT INTO trial_user_attributes VALUES(53,8,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(54,8,'gflops','0.00080246');
INSERT INTO trial_user_attributes VALUES(55,8,'parameters','78096');
INSERT INTO trial_user_attributes VALUES(56,8,'epochs','3');
INSERT INTO trial_user_attributes VALUES(57,8,'accuracy','0.8941504178272981');
INSERT INTO trial_user_attributes VALUES(58,8,'reason','null');
INSERT INTO trial_user_attributes VALUES(59,9,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":4}]]}"');
INSERT INTO trial_user_attributes VALUES(60,9,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(61,9,'gflops','0.000801602');
INSERT INTO trial_user_attributes VALUES(62,9,'parameters','78190');
INSERT INTO trial_user_attributes VALUES(63,9,'epochs','1');
INSERT INTO trial_user_attributes VALUES(64,9,'accuracy','0.17548746518105848');
INSERT INTO trial_user_attributes VALUES(65,9,'reason','"place 8 of 9 at epoch 1 by rank 2 on (accuracy 17.55 %, 0.0008016 GFLOPs); more than 19.50 % would have passed"');
INSERT INTO trial_user_attributes VALUES(66,9,'expected accuracy','0.8729151621445028');
INSERT INTO trial_user_attributes VALUES(67,10,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":\"auto\"}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":\"auto\"}],[\"layer3.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(68,10,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(69,10,'gflops','0.000803906');
INSERT INTO trial_user_attributes VALUES(70,10,'parameters','78628');
INSERT INTO trial_user_attributes VALUES(71,10,'epochs','1');
INSERT INTO trial_user_attributes VALUES(72,10,'accuracy','0.13649025069637882');
INSERT INTO trial_user_attributes VALUES(73,10,'reason','"place 10 of 10 at epoch 1 by rank 4 on (accuracy 13.65 %, 0.0008039 GFLOPs); more than 19.50 % would have passed"');
INSERT INTO trial_user_attributes VALUES(74,10,'expected accuracy','0.8676192441280648');
INSERT INTO trial_user_attributes VALUES(75,11,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer2.0.bn2\",\"se\",{\"reduction\":16}],[\"layer3.0.bn2\",\"eca\",{\"kernel\":9}]]}"');
INSERT INTO trial_user_attributes VALUES(76,11,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(77,11,'gflops','0.000801838');
INSERT INTO trial_user_attributes VALUES(78,11,'parameters','78213');
INSERT INTO trial_user_attributes VALUES(79,11,'epochs','1');
INSERT INTO trial_user_attributes VALUES(80,11,'accuracy','0.1894150417827298');
INSERT INTO trial_user_attributes VALUES(81,11,'reason','"place 8 of 11 at epoch 1 by rank 1 on (accuracy 18.94 %, 0.0008018 GFLOPs); more than 19.50 % would have passed"');
INSERT INTO trial_user_attributes VALUES(82,11,'expected accuracy','0.8748065614360878');
INSERT INTO trial_user_attributes VALUES(83,12,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":5}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":5}],[\"layer3.0.bn2\",\"eca\",{\"kernel\":5}]]}"');
INSERT INTO trial_user_attributes VALUES(84,12,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(85,12,'gflops','0.000803738');
INSERT INTO trial_user_attributes VALUES(86,12,'parameters','78057');
INSERT INTO trial_user_attributes VALUES(87,12,'epochs','1');
INSERT INTO trial_user_attributes VALUES(88,12,'accuracy','0.13649025069637882');
INSERT INTO trial_user_attributes VALUES(89,12,'reason','"place 11 of 12 at epoch 1 by rank 4 on (accuracy 13.65 %, 0.0008037 GFLOPs); more than 19.50 % would have passed"');
INSERT INTO trial_user_attributes VALUES(90,12,'expected accuracy','0.8676192441280648');
INSERT INTO trial_user_attributes VALUES(91,13,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":8}],[\"layer2.0.bn2\",\"se\",{\"reduction\":8}],[\"layer3.0.bn2\",\"se\",{\"reduction\":8}]]}"');
INSERT INTO trial_user_attributes VALUES(92,13,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(93,13,'gflops','0.000804662');
INSERT INTO trial_user_attributes VALUES(94,13,'parameters','79512');
INSERT INTO trial_user_attributes VALUES(95,13,'epochs','3');
INSERT INTO trial_user_attributes VALUES(96,13,'accuracy','0.9080779944289693');
INSERT INTO trial_user_attributes VALUES(97,13,'reason','null');
INSERT INTO trial_user_attributes VALUES(98,14,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer2.0.bn2\",\"eca\",{\"kernel\":7}],[\"layer3.0.bn2\",\"se\",{\"reduction\":4}]]}"');
INSERT INTO trial_user_attributes VALUES(99,14,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(100,14,'gflops','0.000803466');
INSERT INTO trial_user_attributes VALUES(101,14,'parameters','80177');
INSERT INTO trial_user_attributes VALUES(102,14,'epochs','1');
INSERT INTO trial_user_attributes VALUES(103,14,'accuracy','0.10863509749303621');
INSERT INTO trial_user_attributes VALUES(104,14,'reason','"place 12 of 14 at epoch 1 by rank 3 on (accuracy 10.86 %, 0.0008035 GFLOPs); more than 19.50 % would have passed"');
INSERT INTO trial_user_attributes VALUES(105,14,'expected accuracy','0.8361987432791346');
INSERT INTO trial_user_attributes VALUES(106,15,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer3.0.bn2\",\"se\",{\"reduction\":8}]]}"');
INSERT INTO trial_user_attributes VALUES(107,15,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(108,15,'gflops','0.000801114');
INSERT INTO trial_user_attributes VALUES(109,15,'parameters','79138');
INSERT INTO trial_user_attributes VALUES(110,15,'epochs','1');
INSERT INTO trial_user_attributes VALUES(111,15,'accuracy','0.10863509749303621');
INSERT INTO trial_user_attributes VALUES(112,15,'reason','"place 11 of 15 at epoch 1 by rank 2 on (accuracy 10.86 %, 0.0008011 GFLOPs); more than 18.94 % would have passed"');
INSERT INTO trial_user_attributes VALUES(113,15,'expected accuracy','0.8361987432791346');
INSERT INTO trial_user_attributes VALUES(114,16,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer2.0.bn2\",\"eca\",{\"kernel\":7}]]}"');
INSERT INTO trial_user_attributes VALUES(115,16,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(116,16,'gflops','0.000800682');
INSERT INTO trial_user_attributes VALUES(117,16,'parameters','78049');
INSERT INTO trial_user_attributes VALUES(118,16,'epochs','3');
INSERT INTO trial_user_attributes VALUES(119,16,'accuracy','0.8495821727019499');
INSERT INTO trial_user_attributes VALUES(120,16,'reason','null');
INSERT INTO trial_user_attributes VALUES(121,17,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[]}"');
INSERT INTO trial_user_attributes VALUES(122,17,'origin','"bare"');
INSERT INTO trial_user_attributes VALUES(123,17,'gflops','0.00079937');
INSERT INTO trial_user_attributes VALUES(124,17,'parameters','78042');
INSERT INTO trial_user_attributes VALUES(125,18,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":\"auto\"}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":\"auto\"}],[\"layer3.0.bn2\",\"eca\",{\"kernel\":\"auto\"}]]}"');
INSERT INTO trial_user_attributes VALUES(126,18,'origin','"everywhere:eca"');
INSERT INTO trial_user_attributes VALUES(127,18,'gflops','0.000803514');
INSERT INTO trial_user_attributes VALUES(128,18,'parameters','78051');
INSERT INTO trial_user_attributes VALUES(129,19,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":16}],[\"layer2.0.bn2\",\"se\",{\"reduction\":16}],[\"layer3.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(130,19,'origin','"everywhere:se"');
INSERT INTO trial_user_attributes VALUES(131,19,'gflops','0.000803976');
INSERT INTO trial_user_attributes VALUES(132,19,'parameters','78833');
INSERT INTO trial_user_attributes VALUES(133,17,'epochs','6');
INSERT INTO trial_user_attributes VALUES(134,17,'accuracy','0.9415041782729805');
INSERT INTO trial_user_attributes VALUES(135,17,'reason','null');
INSERT INTO trial_user_attributes VALUES(136,18,'epochs','6');
INSERT INTO trial_user_attributes VALUES(137,18,'accuracy','0.9554317548746518');
INSERT INTO trial_user_attributes VALUES(138,18,'reason','null');
INSERT INTO trial_user_attributes VALUES(139,19,'epochs','6');
INSERT INTO trial_user_attributes VALUES(140,19,'accuracy','0.9442896935933147');
INSERT INTO trial_user_attributes VALUES(141,19,'reason','null');
INSERT INTO trial_user_attributes VALUES(142,20,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer2.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(143,20,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(144,20,'gflops','0.000800622');
INSERT INTO trial_user_attributes VALUES(145,20,'parameters','78204');
INSERT INTO trial_user_attributes VALUES(146,20,'epochs','1');
INSERT INTO trial_user_attributes VALUES(147,20,'accuracy','0.15877437325905291');
INSERT INTO trial_user_attributes VALUES(148,20,'reason','"place 4 of 4 at epoch 1 by rank 1 on (accuracy 15.88 %, 0.0008006 GFLOPs); more than 27.58 % would have passed"');
INSERT INTO trial_user_attributes VALUES(149,20,'expected accuracy','0.9279480037140204');
INSERT INTO trial_user_attributes VALUES(150,21,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(151,21,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(152,21,'gflops','0.0008015');
INSERT INTO trial_user_attributes VALUES(153,21,'parameters','78091');
INSERT INTO trial_user_attributes VALUES(154,21,'epochs','1');
INSERT INTO trial_user_attributes VALUES(155,21,'accuracy','0.2200557103064067');
INSERT INTO trial_user_attributes VALUES(156,21,'reason','"place 5 of 5 at epoch 1 by rank 1 on (accuracy 22.01 %, 0.0008015 GFLOPs); more than 25.35 % would have passed"');
INSERT INTO trial_user_attributes VALUES(157,21,'expected accuracy','0.9361188486536676');
INSERT INTO trial_user_attributes VALUES(158,22,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":7}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":7}],[\"layer3.0.bn2\",\"se\",{\"reduction\":4}]]}"');
INSERT INTO trial_user_attributes VALUES(159,22,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(160,22,'gflops','0.000805658');
INSERT INTO trial_user_attributes VALUES(161,22,'parameters','80184');
INSERT INTO trial_user_attributes VALUES(162,22,'epochs','2');
INSERT INTO trial_user_attributes VALUES(163,22,'accuracy','0.6072423398328691');
INSERT INTO trial_user_attributes VALUES(164,22,'reason','"place 3 of 4 at epoch 2 by rank 1 on (accuracy 44.71 %, 0.0008057 GFLOPs); more than 46.94 % would have passed"');
INSERT INTO trial_user_attributes VALUES(165,22,'expected accuracy','0.9601728545808372');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO trial_params VALUES(1,1,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(2,1,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(3,1,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(4,2,'layer1.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(5,2,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(6,2,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(7,2,'eca.kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(8,3,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(9,3,'layer2.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(10,3,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(11,3,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(12,4,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(13,4,'layer2.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(14,4,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(15,4,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(16,5,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(17,5,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(18,5,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(19,5,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(20,6,'layer1.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(21,6,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(22,6,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(23,6,'eca.kernel',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(24,6,'se.reduction',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(25,7,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(26,7,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(27,7,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(28,7,'se.reduction',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(29,8,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(30,8,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(31,8,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(32,8,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(33,8,'eca.kernel',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(34,9,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(35,9,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(36,9,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(37,9,'se.reduction',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(38,10,'layer1.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(39,10,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(40,10,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(41,10,'eca.kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(42,10,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(43,11,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(44,11,'layer2.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(45,11,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(46,11,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(47,11,'eca.kernel',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(48,12,'layer1.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(49,12,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(50,12,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(51,12,'eca.kernel',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(52,13,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(53,13,'layer2.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(54,13,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(55,13,'se.reduction',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(56,14,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(57,14,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(58,14,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(59,14,'eca.kernel',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(60,14,'se.reduction',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(61,15,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(62,15,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(63,15,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(64,15,'se.reduction',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(65,16,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(66,16,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(67,16,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(68,16,'eca.kernel',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(69,17,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(70,17,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(71,17,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(72,18,'layer1.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(73,18,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(74,18,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(75,18,'eca.kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(76,19,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(77,19,'layer2.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(78,19,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(79,19,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(80,20,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(81,20,'layer2.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(82,20,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(83,20,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(84,21,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(85,21,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(86,21,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(87,21,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(88,22,'layer1.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(89,22,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(90,22,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(91,22,'eca.kernel',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(92,22,'se.reduction',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO trial_values VALUES(1,1,0,0.86908077994428967194,'FINITE');
INSERT INTO trial_values VALUES(2,1,1,0.00079936999999999998507,'FINITE');
INSERT INTO trial_values VALUES(3,2,0,0.83008356545961003991,'FINITE');
INSERT INTO trial_values VALUES(4,2,1,0.00080351399999999996437,'FINITE');
INSERT INTO trial_values VALUES(5,3,0,0.89136490250696376325,'FINITE');
INSERT INTO trial_values VALUES(6,3,1,0.00080397599999999997451,'FINITE');
INSERT INTO trial_values VALUES(7,5,0,0.91086350974930363477,'FINITE');
INSERT INTO trial_values VALUES(8,5,1,0.00080150000000000002058,'FINITE');
INSERT INTO trial_values VALUES(9,6,0,0.83565459610027859049,'FINITE');
INSERT INTO trial_values VALUES(10,6,1,0.00080565800000000000347,'FINITE');
INSERT INTO trial_values VALUES(11,8,0,0.89415041782729809405,'FINITE');
INSERT INTO trial_values VALUES(12,8,1,0.00080245999999999995718,'FINITE');
INSERT INTO trial_values VALUES(13,13,0,0.90807799442896930397,'FINITE');
INSERT INTO trial_values VALUES(14,13,1,0.00080466200000000004215,'FINITE');
INSERT INTO trial_values VALUES(15,16,0,0.84958217270194991144,'FINITE');
INSERT INTO trial_values VALUES(16,16,1,0.00080068200000000004298,'FINITE');
INSERT INTO trial_values VALUES(17,17,0,0.94150417827298049644,'FINITE');
INSERT INTO trial_values VALUES(18,17,1,0.00079936999999999998507,'FINITE');
INSERT INTO trial_values VALUES(19,18,0,0.95543175487465181738,'FINITE');
INSERT INTO trial_values VALUES(20,18,1,0.00080351399999999996437,'FINITE');
INSERT INTO trial_values VALUES(21,19,0,0.94428969359331471622,'FINITE');
INSERT INTO trial_values VALUES(22,19,1,0.00080397599999999997451,'FINITE');
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version VALUES('v3.2.0.a');
CREATE INDEX foveate_trial_by_change ON foveate_trial (study_id, seq);
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
