PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE foveate_schema (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO foveate_schema VALUES(1);
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
INSERT INTO foveate_study VALUES(1,'e11bfb9cdecf4ccb8118cae528d25199','digits','{"plugins": [], "backbone_files": [], "data": {"name": "digits", "root": "data", "image_size": null, "validation": 0.2, "seed": 0}, "space": {"preset": null, "backbone": "resnet8", "backbones": [], "widths": [], "image_sizes": [], "weights": null, "modules": ["eca", "se"], "kinds": [], "stages": [], "sites": ["*"], "granularity": "block", "hyperparameters": "module", "most": null, "identity_init": true}, "recipe": {"epochs": 3, "batch": 32, "peak_lr": 0.2, "weight_decay": 0.0005, "label_smoothing": 0.1, "augment": "auto", "shift": 2, "seed": 0}, "stopping": {"rule": "pareto", "first": 1, "factor": 2.0, "least": 3}, "sampler": {"name": "tpe", "startup": 6}, "resources": {"workers": 1, "threads": 1, "gpus": null, "address": null}, "trials": 16, "time_budget": null, "seed": 0, "folder": "foveate-runs"}','[{"path": "relu", "kinds": ["stem"], "stage": 0, "block": "", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": []}, {"path": "layer1.0.conv1", "kinds": ["conv"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 16, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer1.0.conv2", "kinds": ["conv"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 16, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer1.0.bn2", "kinds": ["branch"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": []}, {"path": "layer1.0", "kinds": ["block", "stage"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": ["layer1"]}, {"path": "layer2.0.conv1", "kinds": ["conv"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 32, "kernel": [3, 3], "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer2.0.conv2", "kinds": ["conv"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [32, 4, 4], "conv": {"inputs": 32, "outputs": 32, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer2.0.bn2", "kinds": ["branch"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [32, 4, 4], "conv": null, "aliases": []}, {"path": "layer2.0", "kinds": ["block", "stage"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [16, 8, 8], "conv": null, "aliases": ["layer2"]}, {"path": "layer3.0.conv1", "kinds": ["conv"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [32, 4, 4], "conv": {"inputs": 32, "outputs": 64, "kernel": [3, 3], "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer3.0.conv2", "kinds": ["conv"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [64, 2, 2], "conv": {"inputs": 64, "outputs": 64, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer3.0.bn2", "kinds": ["branch"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [64, 2, 2], "conv": null, "aliases": []}, {"path": "layer3.0", "kinds": ["block", "stage"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [32, 4, 4], "conv": null, "aliases": ["layer3"]}]','{"size": 8, "mean": [0.287644, 0.287644, 0.287644], "std": [0.353587, 0.353587, 0.353587], "train": 1078, "validation": 359, "test": 360}','["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]','236',0.00087038399999999997973,0.00079936999999999998507,'{"python": "3.11.7", "foveate": "0.1.0", "torch": "2.15.0", "torchvision": "0.29.2", "optuna": "5.0.0", "ray": "2.60.0", "sqlalchemy": "2.1.9"}','2026-11-21 14:14:59.394001',93,NULL,NULL,NULL,NULL);
INSERT INTO foveate_study VALUES(2,'604906fb1b72421ea603353912f8b18e','begun','{"plugins": [], "backbone_files": [], "data": {"name": "digits", "root": "data", "image_size": null, "validation": 0.2, "seed": 0}, "space": {"preset": null, "backbone": "resnet8", "backbones": [], "widths": [], "image_sizes": [], "weights": null, "modules": ["eca", "se"], "kinds": [], "stages": [], "sites": ["*"], "granularity": "block", "hyperparameters": "module", "most": null, "identity_init": true}, "recipe": {"epochs": 6, "batch": 32, "peak_lr": 0.2, "weight_decay": 0.0005, "label_smoothing": 0.1, "augment": "auto", "shift": 2, "seed": 0}, "stopping": {"rule": "pareto", "first": 1, "factor": 2.0, "least": 3}, "sampler": {"name": "tpe", "startup": 6}, "resources": {"workers": 1, "threads": 1, "gpus": null, "address": null}, "trials": 9, "time_budget": null, "seed": 0, "folder": "foveate-runs"}','[{"path": "relu", "kinds": ["stem"], "stage": 0, "block": "", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": []}, {"path": "layer1.0.conv1", "kinds": ["conv"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 16, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer1.0.conv2", "kinds": ["conv"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 16, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer1.0.bn2", "kinds": ["branch"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": []}, {"path": "layer1.0", "kinds": ["block", "stage"], "stage": 1, "block": "layer1.0", "shape": [16, 8, 8], "input_shape": [16, 8, 8], "conv": null, "aliases": ["layer1"]}, {"path": "layer2.0.conv1", "kinds": ["conv"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [16, 8, 8], "conv": {"inputs": 16, "outputs": 32, "kernel": [3, 3], "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer2.0.conv2", "kinds": ["conv"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [32, 4, 4], "conv": {"inputs": 32, "outputs": 32, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer2.0.bn2", "kinds": ["branch"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [32, 4, 4], "conv": null, "aliases": []}, {"path": "layer2.0", "kinds": ["block", "stage"], "stage": 2, "block": "layer2.0", "shape": [32, 4, 4], "input_shape": [16, 8, 8], "conv": null, "aliases": ["layer2"]}, {"path": "layer3.0.conv1", "kinds": ["conv"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [32, 4, 4], "conv": {"inputs": 32, "outputs": 64, "kernel": [3, 3], "stride": [2, 2], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer3.0.conv2", "kinds": ["conv"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [64, 2, 2], "conv": {"inputs": 64, "outputs": 64, "kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1, "bias": false}, "aliases": []}, {"path": "layer3.0.bn2", "kinds": ["branch"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [64, 2, 2], "conv": null, "aliases": []}, {"path": "layer3.0", "kinds": ["block", "stage"], "stage": 3, "block": "layer3.0", "shape": [64, 2, 2], "input_shape": [32, 4, 4], "conv": null, "aliases": ["layer3"]}]','{"size": 8, "mean": [0.287644, 0.287644, 0.287644], "std": [0.353587, 0.353587, 0.353587], "train": 1078, "validation": 359, "test": 360}','["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]','236',0.00087038399999999997973,0.00079936999999999998507,'{"python": "3.11.7", "foveate": "0.1.0", "torch": "2.15.0", "torchvision": "0.29.2", "optuna": "5.0.0", "ray": "2.60.0", "sqlalchemy": "2.1.9"}','2026-11-21 14:15:31.714398',36,'93cd70e0312b48399c7254c696b7dba6','node',8146,'2026-11-21 14:15:46.726637');
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
	reason TEXT, 
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
INSERT INTO foveate_trial VALUES(1,1,0,'55f5c0c102db2875','{"version":1,"backbone":"resnet8","modules":[]}','bare','complete',9,78042,781952.0,0.00079936999999999998507,0.83844011142061281027,3,0.78861454299476463347,1,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/0/weights.safetensors','2026-11-21 14:14:59.429162','2026-11-21 14:15:03.372718','2026-11-21 14:15:09.607998');
INSERT INTO foveate_trial VALUES(2,1,1,'67d45667f5826ac8','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":"auto"}],["layer2.0.bn2","eca",{"kernel":"auto"}],["layer3.0.bn2","eca",{"kernel":"auto"}]]}','everywhere:eca','complete',46,78051,782288.0,0.00080351399999999996437,0.89693593314763231383,3,0.7855493879978894256,0,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/1/weights.safetensors','2026-11-21 14:14:59.441818','2026-11-21 14:15:09.632418','2026-11-21 14:15:10.476841');
INSERT INTO foveate_trial VALUES(3,1,2,'a257d5d2d9c2d6b3','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":16}],["layer2.0.bn2","se",{"reduction":16}],["layer3.0.bn2","se",{"reduction":16}]]}','everywhere:se','complete',20,78833,782624.0,0.00080397599999999997451,0.79665738161559884744,3,0.68773349498951574787,0,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/2/weights.safetensors','2026-11-21 14:14:59.452801','2026-11-21 14:15:10.493037','2026-11-21 14:15:11.240461');
INSERT INTO foveate_trial VALUES(4,1,3,'244f1f79795ce3d9','{"version":1,"backbone":"resnet8","modules":[["layer2.0.bn2","se",{"reduction":16}]]}','sampler','complete',47,78204,782080.0,0.00080062199999999996563,0.86629526462395545216,3,0.6952410040030372329,0,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/3/weights.safetensors','2026-11-21 14:15:11.288020','2026-11-21 14:15:11.289045','2026-11-21 14:15:12.037744');
INSERT INTO foveate_trial VALUES(5,1,4,'74f85743ccc1ac44','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":16}]]}','sampler','complete',33,78091,781984.0,0.00080150000000000002058,0.84958217270194991144,3,0.67785409199859714135,0,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/4/weights.safetensors','2026-11-21 14:15:12.075332','2026-11-21 14:15:12.076298','2026-11-21 14:15:12.807222');
INSERT INTO foveate_trial VALUES(6,1,5,'487498cbd15c02e5','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":7}],["layer2.0.bn2","eca",{"kernel":7}],["layer3.0.bn2","se",{"reduction":4}]]}','sampler','complete',39,80184,784336.0,0.00080565800000000000347,0.88300835654596099288,3,0.76452530700044007971,0,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/5/weights.safetensors','2026-11-21 14:15:12.850629','2026-11-21 14:15:12.851685','2026-11-21 14:15:13.670312');
INSERT INTO foveate_trial VALUES(7,1,6,'12a921f963a2ada4','{"version":1,"backbone":"resnet8","modules":[["layer3.0.bn2","eca",{"kernel":5}]]}','sampler','complete',48,78047,782272.0,0.00080033000000000003009,0.91086350974930363477,3,0.69790610399650176987,1,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/6/weights.safetensors','2026-11-21 14:15:13.882738','2026-11-21 14:15:13.883704','2026-11-21 14:15:14.638645');
INSERT INTO foveate_trial VALUES(8,1,7,'09cd7025895ad573','{"version":1,"backbone":"resnet8","modules":[["layer3.0.bn2","eca",{"kernel":"auto"}]]}','sampler','complete',55,78045,782144.0,0.00080020199999999996626,0.88300835654596099288,3,0.69444136799575062468,1,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/7/weights.safetensors','2026-11-21 14:15:14.870384','2026-11-21 14:15:14.871369','2026-11-21 14:15:15.618993');
INSERT INTO foveate_trial VALUES(9,1,8,'e9899c0e2862031b','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":9}],["layer2.0.bn2","eca",{"kernel":9}],["layer3.0.bn2","eca",{"kernel":9}]]}','sampler','stopped',59,78069,782960.0,0.00080418600000000002841,0.1114206128133704704,1,0.28150557500339346006,0,'node:7904','cpu','place 9 of 9 at epoch 1 by rank 3 on (accuracy 11.14 %, 0.0008042 GFLOPs); the best 4.5 pass',NULL,'2026-11-21 14:15:15.836422','2026-11-21 14:15:15.837315','2026-11-21 14:15:16.144238');
INSERT INTO foveate_trial VALUES(10,1,9,'2fe3b6885d3d12d5','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":"auto"}],["layer2.0.bn2","eca",{"kernel":"auto"}],["layer3.0.bn2","se",{"reduction":16}]]}','sampler','stopped',63,78628,782608.0,0.00080390599999999995655,0.1114206128133704704,1,0.26984210400405572727,0,'node:7904','cpu','place 9 of 10 at epoch 1 by rank 3 on (accuracy 11.14 %, 0.0008039 GFLOPs); the best 5 pass',NULL,'2026-11-21 14:15:16.354760','2026-11-21 14:15:16.355988','2026-11-21 14:15:16.655807');
INSERT INTO foveate_trial VALUES(11,1,10,'81feaee7a193e357','{"version":1,"backbone":"resnet8","modules":[["layer2.0.bn2","se",{"reduction":16}],["layer3.0.bn2","eca",{"kernel":9}]]}','sampler','complete',69,78213,782656.0,0.00080183800000000002988,0.89415041782729809405,3,0.79389585099852411076,0,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/10/weights.safetensors','2026-11-21 14:15:16.913584','2026-11-21 14:15:16.914464','2026-11-21 14:15:17.764985');
INSERT INTO foveate_trial VALUES(12,1,11,'199c2c7966cc6959','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":5}],["layer2.0.bn2","eca",{"kernel":5}],["layer3.0.bn2","eca",{"kernel":5}]]}','sampler','stopped',73,78057,782512.0,0.00080373800000000002186,0.21727019498607241798,1,0.27362872700177831575,0,'node:7904','cpu','place 8 of 12 at epoch 1 by rank 2 on (accuracy 21.73 %, 0.0008037 GFLOPs); the best 6 pass',NULL,'2026-11-21 14:15:17.948483','2026-11-21 14:15:17.949477','2026-11-21 14:15:18.251238');
INSERT INTO foveate_trial VALUES(13,1,12,'4eb65e405323e9c2','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":8}],["layer2.0.bn2","se",{"reduction":8}],["layer3.0.bn2","se",{"reduction":8}]]}','sampler','stopped',77,79512,783296.0,0.00080466200000000004215,0.2005571030640668495,1,0.28087824200338218361,0,'node:7904','cpu','place 10 of 13 at epoch 1 by rank 3 on (accuracy 20.06 %, 0.0008047 GFLOPs); the best 6.5 pass',NULL,'2026-11-21 14:15:18.434567','2026-11-21 14:15:18.435643','2026-11-21 14:15:18.744552');
INSERT INTO foveate_trial VALUES(14,1,13,'240fd075f9ad1a12','{"version":1,"backbone":"resnet8","modules":[["layer2.0.bn2","eca",{"kernel":7}],["layer3.0.bn2","se",{"reduction":4}]]}','sampler','stopped',81,80177,784224.0,0.00080346599999999996754,0.10863509749303620899,1,0.2650149429973680526,0,'node:7904','cpu','place 8 of 14 at epoch 1 by rank 2 on (accuracy 10.86 %, 0.0008035 GFLOPs); the best 7 pass',NULL,'2026-11-21 14:15:18.920020','2026-11-21 14:15:18.920888','2026-11-21 14:15:19.213079');
INSERT INTO foveate_trial VALUES(15,1,14,'7bca880a2fc02853','{"version":1,"backbone":"resnet8","modules":[["layer3.0.bn2","se",{"reduction":8}]]}','sampler','complete',87,79138,782976.0,0.00080111400000000001445,0.88300835654596099288,3,0.71790259100089315325,0,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/14/weights.safetensors','2026-11-21 14:15:19.395254','2026-11-21 14:15:19.396227','2026-11-21 14:15:20.173382');
INSERT INTO foveate_trial VALUES(16,1,15,'32550594530c9c8e','{"version":1,"backbone":"resnet8","modules":[["layer2.0.bn2","eca",{"kernel":7}]]}','sampler','complete',93,78049,782176.0,0.00080068200000000004298,0.83286908077994425969,3,0.76977345499471994116,0,'node:7904','cpu',NULL,'/srv/foveate/foveate-runs/digits-e11bfb9c/15/weights.safetensors','2026-11-21 14:15:20.380778','2026-11-21 14:15:20.381767','2026-11-21 14:15:21.207080');
INSERT INTO foveate_trial VALUES(17,2,0,'55f5c0c102db2875','{"version":1,"backbone":"resnet8","modules":[]}','bare','complete',12,78042,781952.0,0.00079936999999999998507,0.9498607242339832668,6,1.5222652400043443776,1,'node:8453','cpu',NULL,'/srv/foveate/foveate-runs/begun-604906fb/0/weights.safetensors','2026-11-21 14:15:31.760033','2026-11-21 14:15:35.170907','2026-11-21 14:15:42.746575');
INSERT INTO foveate_trial VALUES(18,2,1,'67d45667f5826ac8','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","eca",{"kernel":"auto"}],["layer2.0.bn2","eca",{"kernel":"auto"}],["layer3.0.bn2","eca",{"kernel":"auto"}]]}','everywhere:eca','complete',20,78051,782288.0,0.00080351399999999996437,0.92479108635097495572,6,1.7014139359962427988,0,'node:8453','cpu',NULL,'/srv/foveate/foveate-runs/begun-604906fb/1/weights.safetensors','2026-11-21 14:15:31.772242','2026-11-21 14:15:42.768877','2026-11-21 14:15:44.561725');
INSERT INTO foveate_trial VALUES(19,2,2,'a257d5d2d9c2d6b3','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":16}],["layer2.0.bn2","se",{"reduction":16}],["layer3.0.bn2","se",{"reduction":16}]]}','everywhere:se','complete',28,78833,782624.0,0.00080397599999999997451,0.93593314763231194586,6,1.7459027330041863024,0,'node:8453','cpu',NULL,'/srv/foveate/foveate-runs/begun-604906fb/2/weights.safetensors','2026-11-21 14:15:31.784926','2026-11-21 14:15:44.584493','2026-11-21 14:15:46.517857');
INSERT INTO foveate_trial VALUES(20,2,3,'244f1f79795ce3d9','{"version":1,"backbone":"resnet8","modules":[["layer2.0.bn2","se",{"reduction":16}]]}','sampler','stopped',33,78204,782080.0,0.00080062199999999996563,0.59052924791086347511,2,0.48003216699726181104,0,'node:8453','cpu','place 3 of 4 at epoch 2 by rank 1 on (accuracy 59.05 %, 0.0008006 GFLOPs); the best 2 pass',NULL,'2026-11-21 14:15:46.568780','2026-11-21 14:15:46.569771','2026-11-21 14:15:47.098569');
INSERT INTO foveate_trial VALUES(21,2,4,'74f85743ccc1ac44','{"version":1,"backbone":"resnet8","modules":[["layer1.0.bn2","se",{"reduction":16}]]}','sampler','running',36,78091,781984.0,0.00080150000000000002058,0.20612813370473537233,1,0.26775851400452665984,0,'node:8453','cpu',NULL,NULL,'2026-11-21 14:15:47.132664','2026-11-21 14:15:47.133483',NULL);
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
INSERT INTO foveate_front_step VALUES(1,1,0,1,0.83844011142061281027,'[0]','2026-11-21 14:15:09.611734');
INSERT INTO foveate_front_step VALUES(2,1,1,2,0.89352242756793298639,'[0, 1]','2026-11-21 14:15:10.478867');
INSERT INTO foveate_front_step VALUES(3,1,2,3,0.89352242756793298639,'[0, 1]','2026-11-21 14:15:11.241901');
INSERT INTO foveate_front_step VALUES(4,1,3,4,0.8946568109721078077,'[0, 3, 1]','2026-11-21 14:15:12.040752');
INSERT INTO foveate_front_step VALUES(5,1,4,5,0.8946568109721078077,'[0, 3, 1]','2026-11-21 14:15:12.808844');
INSERT INTO foveate_front_step VALUES(6,1,5,6,0.8946568109721078077,'[0, 3, 1]','2026-11-21 14:15:13.672342');
INSERT INTO foveate_front_step VALUES(7,1,6,7,0.90988445685275443075,'[0, 6]','2026-11-21 14:15:14.641749');
INSERT INTO foveate_front_step VALUES(8,1,7,8,0.909964789398112317,'[0, 7, 6]','2026-11-21 14:15:15.622368');
INSERT INTO foveate_front_step VALUES(9,1,10,9,0.909964789398112317,'[0, 7, 6]','2026-11-21 14:15:17.766955');
INSERT INTO foveate_front_step VALUES(10,1,14,10,0.909964789398112317,'[0, 7, 6]','2026-11-21 14:15:20.175515');
INSERT INTO foveate_front_step VALUES(11,1,15,11,0.909964789398112317,'[0, 7, 6]','2026-11-21 14:15:21.209604');
INSERT INTO foveate_front_step VALUES(12,2,0,1,0.9498607242339832668,'[0]','2026-11-21 14:15:42.750201');
INSERT INTO foveate_front_step VALUES(13,2,1,2,0.9498607242339832668,'[0]','2026-11-21 14:15:44.563581');
INSERT INTO foveate_front_step VALUES(14,2,2,3,0.9498607242339832668,'[0]','2026-11-21 14:15:46.521024');
CREATE TABLE foveate_epoch (
	trial_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	train_loss FLOAT NOT NULL, 
	accuracy FLOAT NOT NULL, 
	seconds FLOAT NOT NULL, 
	at DATETIME NOT NULL, 
	PRIMARY KEY (trial_id, number), 
	CONSTRAINT foveate_epochs_count_from_1 CHECK (number >= 1), 
	FOREIGN KEY(trial_id) REFERENCES foveate_trial (id) ON DELETE CASCADE
);
INSERT INTO foveate_epoch VALUES(1,1,2.2329693418560605522,0.20334261838440112479,0.27787177899881498888,'2026-11-21 14:15:09.071888');
INSERT INTO foveate_epoch VALUES(1,2,1.5195058186848957593,0.67130919220055706997,0.27937725799711188301,'2026-11-21 14:15:09.362189');
INSERT INTO foveate_epoch VALUES(1,3,1.0624220876982717332,0.83844011142061281027,0.23136550599883776158,'2026-11-21 14:15:09.607378');
INSERT INTO foveate_epoch VALUES(2,1,2.2145681670217802761,0.13370473537604457558,0.28279013599967584013,'2026-11-21 14:15:09.948023');
INSERT INTO foveate_epoch VALUES(2,2,1.5088616573449336044,0.54317548746518107272,0.23243769999680807814,'2026-11-21 14:15:10.190153');
INSERT INTO foveate_epoch VALUES(2,3,1.0452891263094814533,0.89693593314763231383,0.27032155200140550732,'2026-11-21 14:15:10.476467');
INSERT INTO foveate_epoch VALUES(3,1,2.2092426184451943171,0.14763231197771586877,0.21962910599540919065,'2026-11-21 14:15:10.746658');
INSERT INTO foveate_epoch VALUES(3,2,1.5568697380297111809,0.5459610027855152925,0.24227222999616060405,'2026-11-21 14:15:11.000381');
INSERT INTO foveate_epoch VALUES(3,3,1.0852195277358547276,0.79665738161559884744,0.22583215899794595316,'2026-11-21 14:15:11.240103');
INSERT INTO foveate_epoch VALUES(4,1,2.2350678877397016641,0.27298050139275764625,0.2353448450012365356,'2026-11-21 14:15:11.550401');
INSERT INTO foveate_epoch VALUES(4,2,1.5355652317856296473,0.75766016713091921541,0.24258341899985680356,'2026-11-21 14:15:11.806017');
INSERT INTO foveate_epoch VALUES(4,3,1.0408354094534209011,0.86629526462395545216,0.21731274000194389373,'2026-11-21 14:15:12.037149');
INSERT INTO foveate_epoch VALUES(5,1,2.2531666611180161119,0.16434540389972143725,0.23361124599614413455,'2026-11-21 14:15:12.334200');
INSERT INTO foveate_epoch VALUES(5,2,1.5707177826852509738,0.56545961002785516402,0.21583471000485587865,'2026-11-21 14:15:12.561310');
INSERT INTO foveate_epoch VALUES(5,3,1.0811934037642045858,0.84958217270194991144,0.22840813599759712815,'2026-11-21 14:15:12.806817');
INSERT INTO foveate_epoch VALUES(6,1,2.1975499933416191566,0.22841225626740946363,0.26395004799996968358,'2026-11-21 14:15:13.142292');
INSERT INTO foveate_epoch VALUES(6,2,1.5657489661014440951,0.60445682451253479605,0.25160789900110103189,'2026-11-21 14:15:13.405266');
INSERT INTO foveate_epoch VALUES(6,3,1.0678420789314038152,0.88300835654596099288,0.24896735999936936423,'2026-11-21 14:15:13.669864');
INSERT INTO foveate_epoch VALUES(7,1,2.1992982806581440335,0.26740947075208915117,0.23194112200144445523,'2026-11-21 14:15:14.147108');
INSERT INTO foveate_epoch VALUES(7,2,1.447055123069069582,0.65181058495821730947,0.23123678399861091747,'2026-11-21 14:15:14.389706');
INSERT INTO foveate_epoch VALUES(7,3,1.0136317628802675727,0.91086350974930363477,0.23472819799644639715,'2026-11-21 14:15:14.638288');
INSERT INTO foveate_epoch VALUES(8,1,2.2281401663115532052,0.16155988857938718972,0.23425304099509958177,'2026-11-21 14:15:15.132805');
INSERT INTO foveate_epoch VALUES(8,2,1.4961362896543559664,0.81615598885793871897,0.23491898099746322259,'2026-11-21 14:15:15.378842');
INSERT INTO foveate_epoch VALUES(8,3,1.033145442153468263,0.88300835654596099288,0.22526934600318782031,'2026-11-21 14:15:15.618523');
INSERT INTO foveate_epoch VALUES(9,1,2.2223476063121450074,0.1114206128133704704,0.28150557500339346006,'2026-11-21 14:15:16.142835');
INSERT INTO foveate_epoch VALUES(10,1,2.2173279270981298694,0.1114206128133704704,0.26984210400405572727,'2026-11-21 14:15:16.652817');
INSERT INTO foveate_epoch VALUES(11,1,2.2206409338748818171,0.22284122562674094081,0.24519143300130963325,'2026-11-21 14:15:17.185734');
INSERT INTO foveate_epoch VALUES(11,2,1.4925149859804096585,0.7130919220055710328,0.26970389900088775902,'2026-11-21 14:15:17.470288');
INSERT INTO foveate_epoch VALUES(11,3,1.0121301593202534085,0.89415041782729809405,0.27900051899632671847,'2026-11-21 14:15:17.764531');
INSERT INTO foveate_epoch VALUES(12,1,2.214400782729640138,0.21727019498607241798,0.27362872700177831575,'2026-11-21 14:15:18.249800');
INSERT INTO foveate_epoch VALUES(13,1,2.2363995638760654216,0.2005571030640668495,0.28087824200338218361,'2026-11-21 14:15:18.743399');
INSERT INTO foveate_epoch VALUES(14,1,2.236289515639796388,0.10863509749303620899,0.2650149429973680526,'2026-11-21 14:15:19.211907');
INSERT INTO foveate_epoch VALUES(15,1,2.2286032474402226455,0.20891364902506964762,0.26166271600231993943,'2026-11-21 14:15:19.690377');
INSERT INTO foveate_epoch VALUES(15,2,1.516848824240944582,0.75487465181058499563,0.22967166599846677854,'2026-11-21 14:15:19.931150');
INSERT INTO foveate_epoch VALUES(15,3,1.0737345146410393059,0.88300835654596099288,0.22656820900010643526,'2026-11-21 14:15:20.172878');
INSERT INTO foveate_epoch VALUES(16,1,2.2487309773763022313,0.19220055710306407914,0.25871634299983270466,'2026-11-21 14:15:20.669394');
INSERT INTO foveate_epoch VALUES(16,2,1.5544345740116003451,0.68802228412256272171,0.27284777599561493843,'2026-11-21 14:15:20.954125');
INSERT INTO foveate_epoch VALUES(16,3,1.0826315446333452108,0.83286908077994425969,0.23820933599927229806,'2026-11-21 14:15:21.206721');
INSERT INTO foveate_epoch VALUES(17,1,2.2496747103604404216,0.28133704735376047212,0.26341544299793895334,'2026-11-21 14:15:41.417116');
INSERT INTO foveate_epoch VALUES(17,2,1.640422821044921875,0.60167130919220057627,0.25044357599836075678,'2026-11-21 14:15:41.681935');
INSERT INTO foveate_epoch VALUES(17,3,1.1134531425707268059,0.74373259052924789447,0.23064458299631951376,'2026-11-21 14:15:41.926802');
INSERT INTO foveate_epoch VALUES(17,4,0.91901270548502600465,0.81894150417827293875,0.26513561200408730655,'2026-11-21 14:15:42.204396');
INSERT INTO foveate_epoch VALUES(17,5,0.77822251753373583582,0.9303621169916435063,0.25416634500288637354,'2026-11-21 14:15:42.472278');
INSERT INTO foveate_epoch VALUES(17,6,0.73102338386304455131,0.9498607242339832668,0.25845968100475147366,'2026-11-21 14:15:42.746150');
INSERT INTO foveate_epoch VALUES(18,1,2.2652881506717568171,0.28690807799442896719,0.29787930299789877608,'2026-11-21 14:15:43.096715');
INSERT INTO foveate_epoch VALUES(18,2,1.6486615267666904216,0.30083565459610028813,0.27523424499668180942,'2026-11-21 14:15:43.382150');
INSERT INTO foveate_epoch VALUES(18,3,1.1188184564763850037,0.77994428969359330672,0.25782705000165151432,'2026-11-21 14:15:43.652833');
INSERT INTO foveate_epoch VALUES(18,4,0.89935216036709875186,0.86908077994428967194,0.29630817499855766072,'2026-11-21 14:15:43.960997');
INSERT INTO foveate_epoch VALUES(18,5,0.79400993115974194402,0.90807799442896930397,0.29198740800347877666,'2026-11-21 14:15:44.264251');
INSERT INTO foveate_epoch VALUES(18,6,0.73929572827888256902,0.92479108635097495572,0.28217775499797426164,'2026-11-21 14:15:44.561073');
INSERT INTO foveate_epoch VALUES(19,1,2.2692720817797109589,0.20891364902506964762,0.27306057200621580705,'2026-11-21 14:15:44.895112');
INSERT INTO foveate_epoch VALUES(19,2,1.6765493913130327108,0.66573816155988863041,0.29511081399687100201,'2026-11-21 14:15:45.202110');
INSERT INTO foveate_epoch VALUES(19,3,1.1006114844119909701,0.66295264623955429961,0.26698709600168513134,'2026-11-21 14:15:45.553775');
INSERT INTO foveate_epoch VALUES(19,4,0.88697589527476916604,0.8774373259052924423,0.29265375399700133129,'2026-11-21 14:15:45.860832');
INSERT INTO foveate_epoch VALUES(19,5,0.75752327658913354291,0.94707520891364904702,0.31757800700142979621,'2026-11-21 14:15:46.193784');
INSERT INTO foveate_epoch VALUES(19,6,0.71457302209102746548,0.93593314763231194586,0.30051249000098323449,'2026-11-21 14:15:46.517095');
INSERT INTO foveate_epoch VALUES(20,1,2.2519133596709282052,0.3064066852367687832,0.25081866399705177173,'2026-11-21 14:15:46.853342');
INSERT INTO foveate_epoch VALUES(20,2,1.6567062609123461847,0.59052924791086347511,0.22921350300021003931,'2026-11-21 14:15:47.096773');
INSERT INTO foveate_epoch VALUES(21,1,2.2535559914328833208,0.20612813370473537233,0.26775851400452665984,'2026-11-21 14:15:47.428089');
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
INSERT INTO trials VALUES(1,0,1,'COMPLETE','2026-11-21 14:15:03.380504','2026-11-21 14:15:09.623476');
INSERT INTO trials VALUES(2,1,1,'COMPLETE','2026-11-21 14:15:09.636020','2026-11-21 14:15:10.487962');
INSERT INTO trials VALUES(3,2,1,'COMPLETE','2026-11-21 14:15:10.495381','2026-11-21 14:15:11.251136');
INSERT INTO trials VALUES(4,3,1,'COMPLETE','2026-11-21 14:15:11.292132','2026-11-21 14:15:12.053316');
INSERT INTO trials VALUES(5,4,1,'COMPLETE','2026-11-21 14:15:12.078933','2026-11-21 14:15:12.823961');
INSERT INTO trials VALUES(6,5,1,'COMPLETE','2026-11-21 14:15:12.854666','2026-11-21 14:15:13.684345');
INSERT INTO trials VALUES(7,6,1,'COMPLETE','2026-11-21 14:15:13.886528','2026-11-21 14:15:14.657571');
INSERT INTO trials VALUES(8,7,1,'COMPLETE','2026-11-21 14:15:14.874139','2026-11-21 14:15:15.638029');
INSERT INTO trials VALUES(9,8,1,'PRUNED','2026-11-21 14:15:15.840030','2026-11-21 14:15:16.155904');
INSERT INTO trials VALUES(10,9,1,'PRUNED','2026-11-21 14:15:16.359211','2026-11-21 14:15:16.669368');
INSERT INTO trials VALUES(11,10,1,'COMPLETE','2026-11-21 14:15:16.917097','2026-11-21 14:15:17.777403');
INSERT INTO trials VALUES(12,11,1,'PRUNED','2026-11-21 14:15:17.952336','2026-11-21 14:15:18.259765');
INSERT INTO trials VALUES(13,12,1,'PRUNED','2026-11-21 14:15:18.438670','2026-11-21 14:15:18.753018');
INSERT INTO trials VALUES(14,13,1,'PRUNED','2026-11-21 14:15:18.923491','2026-11-21 14:15:19.221493');
INSERT INTO trials VALUES(15,14,1,'COMPLETE','2026-11-21 14:15:19.400210','2026-11-21 14:15:20.187379');
INSERT INTO trials VALUES(16,15,1,'COMPLETE','2026-11-21 14:15:20.384624','2026-11-21 14:15:21.218938');
INSERT INTO trials VALUES(17,0,2,'COMPLETE','2026-11-21 14:15:35.176407','2026-11-21 14:15:42.762514');
INSERT INTO trials VALUES(18,1,2,'COMPLETE','2026-11-21 14:15:42.771833','2026-11-21 14:15:44.575594');
INSERT INTO trials VALUES(19,2,2,'COMPLETE','2026-11-21 14:15:44.589107','2026-11-21 14:15:46.536412');
INSERT INTO trials VALUES(20,3,2,'PRUNED','2026-11-21 14:15:46.572408','2026-11-21 14:15:47.108585');
INSERT INTO trials VALUES(21,4,2,'RUNNING','2026-11-21 14:15:47.136034',NULL);
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
INSERT INTO trial_user_attributes VALUES(14,1,'accuracy','0.8384401114206128');
INSERT INTO trial_user_attributes VALUES(15,1,'reason','null');
INSERT INTO trial_user_attributes VALUES(16,2,'epochs','3');
INSERT INTO trial_user_attributes VALUES(17,2,'accuracy','0.8969359331476323');
INSERT INTO trial_user_attributes VALUES(18,2,'reason','null');
INSERT INTO trial_user_attributes VALUES(19,3,'epochs','3');
INSERT INTO trial_user_attributes VALUES(20,3,'accuracy','0.7966573816155988');
INSERT INTO trial_user_attributes VALUES(21,3,'reason','null');
INSERT INTO trial_user_attributes VALUES(22,4,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer2.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(23,4,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(24,4,'gflops','0.000800622');
INSERT INTO trial_user_attributes VALUES(25,4,'parameters','78204');
INSERT INTO trial_user_attributes VALUES(26,4,'epochs','3');
INSERT INTO trial_user_attributes VALUES(27,4,'accuracy','0.8662952646239555');
INSERT INTO trial_user_attributes VALUES(28,4,'reason','null');
INSERT INTO trial_user_attributes VALUES(29,5,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(30,5,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(31,5,'gflops','0.0008015');
INSERT INTO trial_user_attributes VALUES(32,5,'parameters','78091');
INSERT INTO trial_user_attributes VALUES(33,5,'epochs','3');
INSERT INTO trial_user_attributes VALUES(34,5,'accuracy','0.8495821727019499');
INSERT INTO trial_user_attributes VALUES(35,5,'reason','null');
INSERT INTO trial_user_attributes VALUES(36,6,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":7}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":7}],[\"layer3.0.bn2\",\"se\",{\"reduction\":4}]]}"');
INSERT INTO trial_user_attributes VALUES(37,6,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(38,6,'gflops','0.000805658');
INSERT INTO trial_user_attributes VALUES(39,6,'parameters','80184');
INSERT INTO trial_user_attributes VALUES(40,6,'epochs','3');
INSERT INTO trial_user_attributes VALUES(41,6,'accuracy','0.883008356545961');
INSERT INTO trial_user_attributes VALUES(42,6,'reason','null');
INSERT INTO trial_user_attributes VALUES(43,7,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer3.0.bn2\",\"eca\",{\"kernel\":5}]]}"');
INSERT INTO trial_user_attributes VALUES(44,7,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(45,7,'gflops','0.00080033');
INSERT INTO trial_user_attributes VALUES(46,7,'parameters','78047');
INSERT INTO trial_user_attributes VALUES(47,7,'epochs','3');
INSERT INTO trial_user_attributes VALUES(48,7,'accuracy','0.9108635097493036');
INSERT INTO trial_user_attributes VALUES(49,7,'reason','null');
INSERT INTO trial_user_attributes VALUES(50,8,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer3.0.bn2\",\"eca\",{\"kernel\":\"auto\"}]]}"');
INSERT INTO trial_user_attributes VALUES(51,8,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(52,8,'gflops','0.000800202');
INSERT INTO trial_user_attributes VALUES(53,8,'parameters','78045');
INSERT INTO trial_user_attributes VALUES(54,8,'epochs','3');
INSERT INTO trial_user_attributes VALUES(55,8,'accuracy','0.883008356545961');
INSERT INTO trial_user_attributes VALUES(56,8,'reason','null');
INSERT INTO trial_user_attributes VALUES(57,9,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":9}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":9}],[\"layer3.0.bn2\",\"eca\",{\"kernel\":9}]]}"');
INSERT INTO trial_user_attributes VALUES(58,9,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(59,9,'gflops','0.000804186');
INSERT INTO trial_user_attributes VALUES(60,9,'parameters','78069');
INSERT INTO trial_user_attributes VALUES(61,9,'epochs','1');
INSERT INTO trial_user_attributes VALUES(62,9,'accuracy','0.11142061281337047');
INSERT INTO trial_user_attributes VALUES(63,9,'reason','"place 9 of 9 at epoch 1 by rank 3 on (accuracy 11.14 %, 0.0008042 GFLOPs); the best 4.5 pass"');
INSERT INTO trial_user_attributes VALUES(64,10,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":\"auto\"}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":\"auto\"}],[\"layer3.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(65,10,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(66,10,'gflops','0.000803906');
INSERT INTO trial_user_attributes VALUES(67,10,'parameters','78628');
INSERT INTO trial_user_attributes VALUES(68,10,'epochs','1');
INSERT INTO trial_user_attributes VALUES(69,10,'accuracy','0.11142061281337047');
INSERT INTO trial_user_attributes VALUES(70,10,'reason','"place 9 of 10 at epoch 1 by rank 3 on (accuracy 11.14 %, 0.0008039 GFLOPs); the best 5 pass"');
INSERT INTO trial_user_attributes VALUES(71,11,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer2.0.bn2\",\"se\",{\"reduction\":16}],[\"layer3.0.bn2\",\"eca\",{\"kernel\":9}]]}"');
INSERT INTO trial_user_attributes VALUES(72,11,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(73,11,'gflops','0.000801838');
INSERT INTO trial_user_attributes VALUES(74,11,'parameters','78213');
INSERT INTO trial_user_attributes VALUES(75,11,'epochs','3');
INSERT INTO trial_user_attributes VALUES(76,11,'accuracy','0.8941504178272981');
INSERT INTO trial_user_attributes VALUES(77,11,'reason','null');
INSERT INTO trial_user_attributes VALUES(78,12,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":5}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":5}],[\"layer3.0.bn2\",\"eca\",{\"kernel\":5}]]}"');
INSERT INTO trial_user_attributes VALUES(79,12,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(80,12,'gflops','0.000803738');
INSERT INTO trial_user_attributes VALUES(81,12,'parameters','78057');
INSERT INTO trial_user_attributes VALUES(82,12,'epochs','1');
INSERT INTO trial_user_attributes VALUES(83,12,'accuracy','0.21727019498607242');
INSERT INTO trial_user_attributes VALUES(84,12,'reason','"place 8 of 12 at epoch 1 by rank 2 on (accuracy 21.73 %, 0.0008037 GFLOPs); the best 6 pass"');
INSERT INTO trial_user_attributes VALUES(85,13,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":8}],[\"layer2.0.bn2\",\"se\",{\"reduction\":8}],[\"layer3.0.bn2\",\"se\",{\"reduction\":8}]]}"');
INSERT INTO trial_user_attributes VALUES(86,13,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(87,13,'gflops','0.000804662');
INSERT INTO trial_user_attributes VALUES(88,13,'parameters','79512');
INSERT INTO trial_user_attributes VALUES(89,13,'epochs','1');
INSERT INTO trial_user_attributes VALUES(90,13,'accuracy','0.20055710306406685');
INSERT INTO trial_user_attributes VALUES(91,13,'reason','"place 10 of 13 at epoch 1 by rank 3 on (accuracy 20.06 %, 0.0008047 GFLOPs); the best 6.5 pass"');
INSERT INTO trial_user_attributes VALUES(92,14,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer2.0.bn2\",\"eca\",{\"kernel\":7}],[\"layer3.0.bn2\",\"se\",{\"reduction\":4}]]}"');
INSERT INTO trial_user_attributes VALUES(93,14,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(94,14,'gflops','0.000803466');
INSERT INTO trial_user_attributes VALUES(95,14,'parameters','80177');
INSERT INTO trial_user_attributes VALUES(96,14,'epochs','1');
INSERT INTO trial_user_attributes VALUES(97,14,'accuracy','0.10863509749303621');
INSERT INTO trial_user_attributes VALUES(98,14,'reason','"place 8 of 14 at epoch 1 by rank 2 on (accuracy 10.86 %, 0.0008035 GFLOPs); the best 7 pass"');
INSERT INTO trial_user_attributes VALUES(99,15,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer3.0.bn2\",\"se\",{\"reduction\":8}]]}"');
INSERT INTO trial_user_attributes VALUES(100,15,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(101,15,'gflops','0.000801114');
INSERT INTO trial_user_attributes VALUES(102,15,'parameters','79138');
INSERT INTO trial_user_attributes VALUES(103,15,'epochs','3');
INSERT INTO trial_user_attributes VALUES(104,15,'accuracy','0.883008356545961');
INSERT INTO trial_user_attributes VALUES(105,15,'reason','null');
INSERT INTO trial_user_attributes VALUES(106,16,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer2.0.bn2\",\"eca\",{\"kernel\":7}]]}"');
INSERT INTO trial_user_attributes VALUES(107,16,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(108,16,'gflops','0.000800682');
INSERT INTO trial_user_attributes VALUES(109,16,'parameters','78049');
INSERT INTO trial_user_attributes VALUES(110,16,'epochs','3');
INSERT INTO trial_user_attributes VALUES(111,16,'accuracy','0.8328690807799443');
INSERT INTO trial_user_attributes VALUES(112,16,'reason','null');
INSERT INTO trial_user_attributes VALUES(113,17,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[]}"');
INSERT INTO trial_user_attributes VALUES(114,17,'origin','"bare"');
INSERT INTO trial_user_attributes VALUES(115,17,'gflops','0.00079937');
INSERT INTO trial_user_attributes VALUES(116,17,'parameters','78042');
INSERT INTO trial_user_attributes VALUES(117,18,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"eca\",{\"kernel\":\"auto\"}],[\"layer2.0.bn2\",\"eca\",{\"kernel\":\"auto\"}],[\"layer3.0.bn2\",\"eca\",{\"kernel\":\"auto\"}]]}"');
INSERT INTO trial_user_attributes VALUES(118,18,'origin','"everywhere:eca"');
INSERT INTO trial_user_attributes VALUES(119,18,'gflops','0.000803514');
INSERT INTO trial_user_attributes VALUES(120,18,'parameters','78051');
INSERT INTO trial_user_attributes VALUES(121,19,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":16}],[\"layer2.0.bn2\",\"se\",{\"reduction\":16}],[\"layer3.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(122,19,'origin','"everywhere:se"');
INSERT INTO trial_user_attributes VALUES(123,19,'gflops','0.000803976');
INSERT INTO trial_user_attributes VALUES(124,19,'parameters','78833');
INSERT INTO trial_user_attributes VALUES(125,17,'epochs','6');
INSERT INTO trial_user_attributes VALUES(126,17,'accuracy','0.9498607242339833');
INSERT INTO trial_user_attributes VALUES(127,17,'reason','null');
INSERT INTO trial_user_attributes VALUES(128,18,'epochs','6');
INSERT INTO trial_user_attributes VALUES(129,18,'accuracy','0.924791086350975');
INSERT INTO trial_user_attributes VALUES(130,18,'reason','null');
INSERT INTO trial_user_attributes VALUES(131,19,'epochs','6');
INSERT INTO trial_user_attributes VALUES(132,19,'accuracy','0.935933147632312');
INSERT INTO trial_user_attributes VALUES(133,19,'reason','null');
INSERT INTO trial_user_attributes VALUES(134,20,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer2.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(135,20,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(136,20,'gflops','0.000800622');
INSERT INTO trial_user_attributes VALUES(137,20,'parameters','78204');
INSERT INTO trial_user_attributes VALUES(138,20,'epochs','2');
INSERT INTO trial_user_attributes VALUES(139,20,'accuracy','0.5905292479108635');
INSERT INTO trial_user_attributes VALUES(140,20,'reason','"place 3 of 4 at epoch 2 by rank 1 on (accuracy 59.05 %, 0.0008006 GFLOPs); the best 2 pass"');
INSERT INTO trial_user_attributes VALUES(141,21,'placement','"{\"version\":1,\"backbone\":\"resnet8\",\"modules\":[[\"layer1.0.bn2\",\"se\",{\"reduction\":16}]]}"');
INSERT INTO trial_user_attributes VALUES(142,21,'origin','"sampler"');
INSERT INTO trial_user_attributes VALUES(143,21,'gflops','0.0008015');
INSERT INTO trial_user_attributes VALUES(144,21,'parameters','78091');
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
INSERT INTO trial_params VALUES(25,7,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(26,7,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(27,7,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(28,7,'eca.kernel',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(29,8,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(30,8,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(31,8,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(32,8,'eca.kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(33,9,'layer1.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(34,9,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(35,9,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(36,9,'eca.kernel',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(37,10,'layer1.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(38,10,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(39,10,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(40,10,'eca.kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(41,10,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(42,11,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(43,11,'layer2.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(44,11,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(45,11,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(46,11,'eca.kernel',4.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(47,12,'layer1.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(48,12,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(49,12,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(50,12,'eca.kernel',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(51,13,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(52,13,'layer2.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(53,13,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(54,13,'se.reduction',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(55,14,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(56,14,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(57,14,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(58,14,'eca.kernel',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(59,14,'se.reduction',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(60,15,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(61,15,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(62,15,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(63,15,'se.reduction',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(64,16,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(65,16,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(66,16,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(67,16,'eca.kernel',3.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(68,17,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(69,17,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(70,17,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(71,18,'layer1.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(72,18,'layer2.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(73,18,'layer3.0.bn2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(74,18,'eca.kernel',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["auto", 3, 5, 7, 9]}}');
INSERT INTO trial_params VALUES(75,19,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(76,19,'layer2.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(77,19,'layer3.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(78,19,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(79,20,'layer1.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(80,20,'layer2.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(81,20,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(82,20,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
INSERT INTO trial_params VALUES(83,21,'layer1.0.bn2',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(84,21,'layer2.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(85,21,'layer3.0.bn2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["none", "eca", "se"]}}');
INSERT INTO trial_params VALUES(86,21,'se.reduction',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [4, 8, 16, 32]}}');
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
INSERT INTO trial_values VALUES(1,1,0,0.83844011142061281027,'FINITE');
INSERT INTO trial_values VALUES(2,1,1,0.00079936999999999998507,'FINITE');
INSERT INTO trial_values VALUES(3,2,0,0.89693593314763231383,'FINITE');
INSERT INTO trial_values VALUES(4,2,1,0.00080351399999999996437,'FINITE');
INSERT INTO trial_values VALUES(5,3,0,0.79665738161559884744,'FINITE');
INSERT INTO trial_values VALUES(6,3,1,0.00080397599999999997451,'FINITE');
INSERT INTO trial_values VALUES(7,4,0,0.86629526462395545216,'FINITE');
INSERT INTO trial_values VALUES(8,4,1,0.00080062199999999996563,'FINITE');
INSERT INTO trial_values VALUES(9,5,0,0.84958217270194991144,'FINITE');
INSERT INTO trial_values VALUES(10,5,1,0.00080150000000000002058,'FINITE');
INSERT INTO trial_values VALUES(11,6,0,0.88300835654596099288,'FINITE');
INSERT INTO trial_values VALUES(12,6,1,0.00080565800000000000347,'FINITE');
INSERT INTO trial_values VALUES(13,7,0,0.91086350974930363477,'FINITE');
INSERT INTO trial_values VALUES(14,7,1,0.00080033000000000003009,'FINITE');
INSERT INTO trial_values VALUES(15,8,0,0.88300835654596099288,'FINITE');
INSERT INTO trial_values VALUES(16,8,1,0.00080020199999999996626,'FINITE');
INSERT INTO trial_values VALUES(17,11,0,0.89415041782729809405,'FINITE');
INSERT INTO trial_values VALUES(18,11,1,0.00080183800000000002988,'FINITE');
INSERT INTO trial_values VALUES(19,15,0,0.88300835654596099288,'FINITE');
INSERT INTO trial_values VALUES(20,15,1,0.00080111400000000001445,'FINITE');
INSERT INTO trial_values VALUES(21,16,0,0.83286908077994425969,'FINITE');
INSERT INTO trial_values VALUES(22,16,1,0.00080068200000000004298,'FINITE');
INSERT INTO trial_values VALUES(23,17,0,0.9498607242339832668,'FINITE');
INSERT INTO trial_values VALUES(24,17,1,0.00079936999999999998507,'FINITE');
INSERT INTO trial_values VALUES(25,18,0,0.92479108635097495572,'FINITE');
INSERT INTO trial_values VALUES(26,18,1,0.00080351399999999996437,'FINITE');
INSERT INTO trial_values VALUES(27,19,0,0.93593314763231194586,'FINITE');
INSERT INTO trial_values VALUES(28,19,1,0.00080397599999999997451,'FINITE');
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
